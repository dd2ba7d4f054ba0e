#include "format/resolv-conf.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>

#include "base/macros.h"
#include "base/text.h"

#define LINE_MAX_LENGTH 4096 /* longer ones are passed over */
#define NUMBER_MAX 999

/* The next word of *at; false: there is none. */
static bool next_word(char **word, char **at)
{
	char *start = *at + strspn(*at, " \t\r\v\f");
	size_t length = strcspn(start, " \t\r\v\f");

	if (length == 0)
		return false;
	*at = start + length;
	if (start[length] != '\0')
		*(*at)++ = '\0';
	*word = start;
	return true;
}

static bool parse_server(struct resolv_conf_server *server, char *text)
{
	char *scope = strchr(text, '%');

	*server = (struct resolv_conf_server){ .family = AF_INET };
	if (inet_pton(AF_INET, text, server->bytes) == 1)
		return true;
	if (scope != NULL) {
		*scope++ = '\0';
		if (*scope == '\0' || strlen(scope) >= sizeof(server->scope))
			return false;
		memcpy(server->scope, scope, strlen(scope) + 1);
	}
	server->family = AF_INET6;
	return inet_pton(AF_INET6, text, server->bytes) == 1;
}

static void read_nameserver(struct resolv_conf *conf, char *rest)
{
	struct resolv_conf_server server;
	char *word;

	if (conf->server_count < RESOLV_CONF_SERVERS_MAX && next_word(&word, &rest) &&
	    parse_server(&server, word))
		conf->servers[conf->server_count++] = server;
}

static void read_search(struct resolv_conf *conf, char *rest)
{
	char *word;

	conf->search_count = 0;
	while (conf->search_count < RESOLV_CONF_SEARCH_MAX && next_word(&word, &rest)) {
		size_t length = strlen(word);

		if (length < sizeof(conf->search[0]))
			memcpy(conf->search[conf->search_count++], word, length + 1);
	}
}

static void read_domain(struct resolv_conf *conf, char *rest)
{
	char *word;

	if (!next_word(&word, &rest))
		return;
	read_search(conf, word); /* which ends behind the word */
}

/* "3", "3abc" as libc has it, nothing is 0. */
static unsigned int number(const char *text, unsigned int most)
{
	unsigned int value = 0;

	for (; *text >= '0' && *text <= '9' && value <= NUMBER_MAX; text++)
		value = 10 * value + (unsigned int)(*text - '0');
	return MIN(value, most);
}

static void read_options(struct resolv_conf *conf, char *rest)
{
	const char *value;
	char *word;

	while (next_word(&word, &rest)) {
		if ((value = text_after(word, "timeout:")) != NULL)
			conf->timeout_s = number(value, RESOLV_CONF_TIMEOUT_MAX);
		else if ((value = text_after(word, "attempts:")) != NULL)
			conf->attempts = number(value, RESOLV_CONF_ATTEMPTS_MAX);
		else if (strcmp(word, "rotate") == 0)
			conf->rotate = true;
	}
}

static const struct {
	const char *keyword;
	void (*read)(struct resolv_conf *conf, char *rest);
} keywords[] = {
	{ "nameserver", read_nameserver },
	{ "search", read_search },
	{ "domain", read_domain },
	{ "options", read_options },
};

static void read_line(struct resolv_conf *conf, char *line)
{
	char *word, *rest = line;

	if (line[0] == ' ' || line[0] == '\t' || !next_word(&word, &rest))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(keywords); i++)
		if (strcmp(word, keywords[i].keyword) == 0)
			keywords[i].read(conf, rest);
}

void resolv_conf_parse(struct resolv_conf *ret, const char *text, size_t size)
{
	char line[LINE_MAX_LENGTH + 1];

	memset(ret, 0, sizeof(*ret));
	while (size > 0) {
		const char *end = memchr(text, '\n', size);
		size_t length = end == NULL ? size : (size_t)(end - text);

		if (length <= LINE_MAX_LENGTH && memchr(text, '\0', length) == NULL) {
			memcpy(line, text, length);
			line[length] = '\0';
			read_line(ret, line);
		}
		length += end != NULL;
		text += length;
		size -= length;
	}
}
