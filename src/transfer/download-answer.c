#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "base/text.h"
#include "transfer/download-part.h"

/* Printable ASCII that fits, else nothing: half of a value would be another value. */
static void keep(char *to, size_t room, const char *value)
{
	to[0] = '\0';
	if (strlen(value) >= room)
		return;
	for (const char *at = value; *at; at++)
		if (*at < ' ' || *at > '~')
			return;
	memcpy(to, value, strlen(value) + 1);
}

static void keep_more(char *to, size_t room, const char *value)
{
	size_t used = strlen(to);

	if (used == 0) {
		keep(to, room, value);
	} else if (used + 2 < room) {
		keep(to + used + 2, room - used - 2, value);
		if (to[used + 2] != '\0')
			memcpy(to + used, ", ", 2);
	}
}

static void status_line(struct transfer *transfer, const char *line)
{
	const char *blank = strchr(line, ' ');
	unsigned long status = blank == NULL ? 0 : strtoul(blank, NULL, 10);

	transfer->heard = (struct download_answer){
		.id = transfer->download->id,
		.status = status < 1000 ? (uint32_t)status : 0,
		.length = DOWNLOAD_LENGTH_UNKNOWN,
	};
	transfer->content_range[0] = '\0';
}

static void take_value(struct transfer *transfer, const char *line)
{
	struct download_answer *heard = &transfer->heard;
	const struct {
		const char *name;
		char *to;
		size_t room;
	} kept[] = {
		{ "etag:", heard->etag, sizeof(heard->etag) },
		{ "docker-content-digest:", heard->digest, sizeof(heard->digest) },
		{ "content-type:", heard->type, sizeof(heard->type) },
		{ "location:", heard->location, sizeof(heard->location) },
		{ "content-range:", transfer->content_range, sizeof(transfer->content_range) },
	};
	const char *value;
	uint64_t length;

	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
		value = text_after_loose(line, kept[i].name);
		if (value != NULL)
			keep(kept[i].to, kept[i].room, value + strspn(value, " \t"));
	}
	value = text_after_loose(line, "www-authenticate:");
	if (value != NULL)
		keep_more(heard->authenticate, sizeof(heard->authenticate),
			  value + strspn(value, " \t"));
	value = text_after_loose(line, "last-modified:");
	if (value != NULL) {
		time_t when = curl_getdate(value + strspn(value, " \t"), NULL);

		heard->modified = when > 0 ? when : 0;
	}
	value = text_after_loose(line, "content-length:");
	if (value != NULL && parse_u64(&length, value + strspn(value, " \t")) >= 0)
		heard->length = length;
}

int download_take_header(struct transfer *transfer, const char *line, size_t size)
{
	char text[DOWNLOAD_URL_MAX + 64];

	transfer->header_bytes += size;
	if (transfer->header_bytes > DOWNLOAD_HEADERS_MAX)
		return -E2BIG;
	while (size > 0 && strchr("\r\n \t", line[size - 1]) != NULL)
		size--;
	if (size >= sizeof(text))
		return 0;
	memcpy(text, line, size);
	text[size] = '\0';
	if (strlen(text) != size)
		return 0;
	if (text_after_loose(text, "http/") != NULL)
		status_line(transfer, text);
	else
		take_value(transfer, text);
	return 0;
}

int download_parse_range(uint64_t *ret_start, uint64_t *ret_total, const char *text)
{
	const char *at = text_after_loose(text, "bytes ");
	char number[24];
	size_t length;

	if (at == NULL)
		return -EINVAL;
	length = strspn(at, "0123456789");
	if (length == 0 || length >= sizeof(number) || at[length] != '-')
		return -EINVAL;
	memcpy(number, at, length);
	number[length] = '\0';
	if (parse_u64(ret_start, number) < 0)
		return -EINVAL;
	*ret_total = DOWNLOAD_LENGTH_UNKNOWN;
	at = strchr(at, '/');
	return at == NULL ? -EINVAL : text_equal(at, "/*") ? 0 : parse_u64(ret_total, at + 1);
}

static bool is_text(const char *text, size_t room)
{
	size_t length = strnlen(text, room);

	for (size_t i = 0; i < length; i++)
		if (text[i] < ' ' || text[i] > '~')
			return false;
	return length < room;
}

int download_hear(struct download_answer *ret, const void *data, size_t size)
{
	struct download_answer answer;

	if (size != sizeof(answer))
		return -EBADMSG;
	memcpy(&answer, data, size);
	if (!is_text(answer.sha256, sizeof(answer.sha256)) ||
	    !is_text(answer.etag, sizeof(answer.etag)) ||
	    !is_text(answer.digest, sizeof(answer.digest)) ||
	    !is_text(answer.type, sizeof(answer.type)) ||
	    !is_text(answer.authenticate, sizeof(answer.authenticate)) ||
	    !is_text(answer.location, sizeof(answer.location)))
		return -EBADMSG;
	*ret = answer;
	return 0;
}
