#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/path.h"
#include "base/text.h"
#include "declare/nixos-addresses.h"
#include "declare/nixos-child.h"
#include "io/dir.h"
#include "io/fd.h"
#include "io/file.h"
#include "io/settings.h"
#include "prog/nixos-container/build.h"
#include "prog/nixos-container/nixos-container.h"
#include "prog/nixos-container/power.h"
#include "prog/nixos-container/remove.h"
#include "prog/nixos-container/unfinished.h"
#include "spec/readers.h"

/* The original's: one create at a time, from the choice of name and addresses until the conf is
 * there. Never removed. */
#define CREATE_LOCK_PLACE "/run/lock"
#define CREATE_LOCK CREATE_LOCK_PLACE "/nixos-container"
#define NAMES_MAX 10000

/* ---- names ---- */

static bool is_there(struct arena *arena, const char *name)
{
	struct nixos unused;

	return nixos_find(arena, &unused, name) != -ENOENT;
}

static bool is_free(struct arena *arena, const char *name)
{
	const char *state = path_join(arena, NIXOS_STATE_DIRECTORY, name);

	return !is_there(arena, name) && access(state, F_OK) < 0 && errno == ENOENT;
}

/* NAME, NAME-0, NAME-1, …: one that has neither conf nor files. */
static int choose_name(struct context *context)
{
	const char *wish = context->name;

	if (!context->options.unique) {
		if (is_there(context->arena, wish))
			return fail_plain(-EEXIST,
					  "container '%s' exists already (try another name, or "
					  "--ensure-unique-name)",
					  wish);
		return 0;
	}
	for (unsigned int i = 0; !is_free(context->arena, context->name); i++) {
		if (i == NAMES_MAX)
			return fail_plain(-EEXIST, "cannot find a name like '%s' that is free",
					  wish);
		context->name = arena_format(context->arena, "%s-%u", wish, i);
	}
	return 0;
}

/* ---- addresses ---- */

/* The addresses that the host has itself. */
static void take_of_host(struct nixos_addresses *taken)
{
	struct ifaddrs *all, *one;

	if (getifaddrs(&all) < 0)
		return;
	for (one = all; one != NULL; one = one->ifa_next) {
		char text[IP_TEXT_ROOM];
		struct ip ip = { .family = AF_INET };

		if (one->ifa_addr == NULL || one->ifa_addr->sa_family != AF_INET)
			continue;
		memcpy(ip.bytes, &((struct sockaddr_in *)one->ifa_addr)->sin_addr, 4);
		nixos_addresses_take(taken, ip_text(text, &ip));
	}
	freeifaddrs(all);
}

static const enum nixos_conf_key address_keys[] = {
	NIXOS_CONF_HOST_ADDRESS,
	NIXOS_CONF_LOCAL_ADDRESS,
	NIXOS_CONF_HOST_ADDRESS6,
	NIXOS_CONF_LOCAL_ADDRESS6,
};

/* Two containers with one address of their own: traffic would go to either. */
static int refuse_shared(const struct nixos_conf *conf, const struct nixos *other,
			 enum nixos_conf_key key)
{
	struct ip_prefix ours, theirs;

	if (nixos_conf_address(&ours, conf, key) <= 0 ||
	    nixos_conf_address(&theirs, &other->conf, key) <= 0 || !ip_equal(&ours.ip, &theirs.ip))
		return 0;
	return fail_plain(-EADDRINUSE, "cannot use the address '%s': container '%s' has it",
			  nixos_conf_value(conf, key), other->name);
}

static int look_at_others(struct arena *arena, const struct nixos_conf *conf,
			  struct nixos_addresses *taken)
{
	struct text_list names = { 0 };
	struct nixos other;
	int r = nixos_list(arena, &names);

	for (size_t i = 0; i < names.count && r >= 0; i++) {
		r = nixos_find(arena, &other, names.items[i]);
		if (r < 0) {
			fail_forget();
			r = 0;
			continue;
		}
		for (size_t j = 0; j < ARRAY_SIZE(address_keys); j++)
			if (nixos_conf_value(&other.conf, address_keys[j]) != NULL)
				nixos_addresses_take(taken, nixos_conf_value(&other.conf,
									     address_keys[j]));
		r = refuse_shared(conf, &other, NIXOS_CONF_LOCAL_ADDRESS);
		if (r >= 0)
			r = refuse_shared(conf, &other, NIXOS_CONF_LOCAL_ADDRESS6);
	}
	return r;
}

static int choose_addresses(const struct context *context, struct nixos_conf *conf)
{
	struct nixos_addresses taken = { 0 };
	struct nixos_pair pair;
	int r = look_at_others(context->arena, conf, &taken);

	if (r < 0 || conf->values[NIXOS_CONF_HOST_ADDRESS] != NULL || context->options.host_network)
		return r;
	take_of_host(&taken);
	r = nixos_addresses_choose(&taken, &pair);
	if (r < 0)
		return fail_plain(r,
				  "cannot find addresses for container '%s': 10.233.1.1 to "
				  "10.233.254.2 are taken (try --host-address= and "
				  "--local-address=)",
				  context->name);
	conf->values[NIXOS_CONF_HOST_ADDRESS] = arena_text(context->arena, pair.host);
	conf->values[NIXOS_CONF_LOCAL_ADDRESS] = arena_text(context->arena, pair.local);
	return 0;
}

/* ---- what is written ---- */

static const char *joined(struct arena *arena, const struct text_list *list, const char *between)
{
	const char *text = NULL;

	for (size_t i = 0; i < list->count; i++)
		text = text == NULL ? list->items[i]
				    : arena_format(arena, "%s%s%s", text, between, list->items[i]);
	return text;
}

static int check_network(const struct options *options)
{
	if (!options->host_network ||
	    (options->bridge == NULL && options->host_address == NULL &&
	     options->host_address6 == NULL && options->mac == NULL && options->ports.count == 0 &&
	     options->interfaces.count == 0 && options->macvlans.count == 0))
		return 0;
	return fail_input("cannot use --use-host-network with options for a network of its own");
}

static void fill(const struct context *context, struct nixos_conf *conf)
{
	const struct options *options = &context->options;
	struct arena *arena = context->arena;
	struct text_list flags = { 0 };
	const char *ports = joined(arena, &options->ports, ",");

	if (!options->host_network) {
		conf->values[NIXOS_CONF_PRIVATE_NETWORK] = "1";
		conf->values[NIXOS_CONF_HOST_BRIDGE] = options->bridge ? options->bridge : "";
		conf->values[NIXOS_CONF_HOST_PORT] = ports ? ports : "";
	}
	conf->values[NIXOS_CONF_HOST_ADDRESS] = options->host_address;
	conf->values[NIXOS_CONF_LOCAL_ADDRESS] = options->local_address;
	conf->values[NIXOS_CONF_AUTO_START] = options->auto_start ? "1" : "0";
	conf->values[NIXOS_CONF_FLAKE] = options->flake;
	conf->values[NIXOS_CONF_HOST_ADDRESS6] = options->host_address6;
	conf->values[NIXOS_CONF_LOCAL_ADDRESS6] = options->local_address6;
	conf->values[NIXOS_CONF_LOCAL_MAC_ADDRESS] = options->mac;
	conf->values[NIXOS_CONF_PRIVATE_USERS] = options->private_users;
	conf->values[NIXOS_CONF_INTERFACES] = joined(arena, &options->interfaces, " ");
	conf->values[NIXOS_CONF_MACVLANS] = joined(arena, &options->macvlans, " ");
	for (size_t i = 0; i < options->flags.count; i++)
		text_list_add(arena, &flags, options->flags.items[i]);
	if (options->extra_flags != NULL)
		text_list_add(arena, &flags, arena_text(arena, options->extra_flags));
	conf->values[NIXOS_CONF_EXTRA_NSPAWN_FLAGS] = joined(arena, &flags, " ");
}

/* The runner refuses now, in its own words, what it would at the first start. */
static int check_flags(const struct context *context, const struct nixos_conf *conf)
{
	const struct reader_facts facts = {
		.working_directory = "/",
		.environment = context->program.environment,
		.uid = geteuid(),
	};
	struct arena *arena = context->arena;
	struct spec *spec = arena_new(arena, struct spec);
	const struct setting *unused = NULL;
	struct text_list words = { 0 }, flags = { 0 };
	int r;

	text_list_add(arena, &words, arena_text(arena, context->program.arguments[0]));
	for (size_t i = 0; i < context->options.checked.count; i++)
		text_list_add(arena, &words, context->options.checked.items[i]);
	nixos_conf_words(arena, &flags, conf, NIXOS_CONF_EXTRA_NSPAWN_FLAGS);
	for (size_t i = 0; i < flags.count; i++)
		text_list_add(arena, &words, flags.items[i]);
	spec_init(spec);
	r = args_parse(arena, spec, &facts, (int)words.count, words.items, &unused);
	/* It would be an argument of the container's init, and so would all behind it. */
	if (r >= 0 && spec->parameters.count > 0)
		return fail_input("cannot use '%s' in --extra-flags=: it is no option",
				  text_printable(arena, spec->parameters.items[0]));
	return r;
}

/* NULL: there is nothing to be said. */
static const char *companion_text(const struct context *context)
{
	const struct options *options = &context->options;
	struct arena *arena = context->arena;
	const char *text = REMOVE_COMPANION_MARK "; 'destroy' removes it.\n";

	if (options->settings.count == 0 && options->mounts.count == 0)
		return NULL;
	if (options->settings.count > 0)
		text = arena_format(arena, "%s[Exec]\n%s\n", text,
				    joined(arena, &options->settings, "\n"));
	if (options->mounts.count > 0)
		text = arena_format(arena, "%s[Files]\n%s\n", text,
				    joined(arena, &options->mounts, "\n"));
	return text;
}

static int check_companion(const struct context *context, const struct nixos *container)
{
	const struct text_list *checked = &context->options.checked;
	struct settings there;
	int r;

	for (size_t i = 0; i < checked->count; i++)
		if (strpbrk(checked->items[i], "\n\r") != NULL)
			return fail_input("cannot use '%s': it has more than one line",
					  checked->items[i]);
	if (companion_text(context) == NULL)
		return 0;
	r = nixos_companion(context->arena, &there, container);
	if (r >= 0 && there.count > 0)
		return fail_plain(-EEXIST,
				  "cannot make '%s', which options of container '%s' need: '%s' is "
				  "there already",
				  container->companion, container->name, there.parts[0].path);
	return r;
}

static int write_companion(const struct context *context, const struct nixos *container)
{
	const char *directory = path_parent(context->arena, container->companion);
	const char *text = companion_text(context);
	autoclose int fd = -EBADF;
	int r;

	if (text == NULL)
		return 0;
	r = dir_make_all(directory, 0755);
	if (r >= 0) {
		fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		r = fd < 0 ? -errno
			   : file_replace(fd, path_name(container->companion), text, strlen(text),
					  0644);
	}
	return r < 0 ? fail(r, "cannot write '%s'", container->companion) : 0;
}

/* ---- the order of it all ---- */

static int lock_creation(int *ret)
{
	const int flags = O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
	autoclose int fd = -EBADF;
	struct stat status;
	int r;

	if (geteuid() != 0)
		return fail_plain(-EPERM, "cannot create a container: only root can");
	(void)mkdir(CREATE_LOCK_PLACE, 0755); /* not every init makes it */
	fd = open(CREATE_LOCK, flags | O_CLOEXEC, 0600);
	r = fd < 0 || fstat(fd, &status) < 0 ? -errno : 0;

	/* Where everybody may make files, somebody else's lock would be held for ever; kernels that
	 * protect files there (fs.protected_regular) do not even open it. */
	if (r == -EACCES || r == -ENXIO ||
	    (r >= 0 && (!S_ISREG(status.st_mode) || status.st_uid != 0)))
		return fail_plain(-EPERM,
				  "cannot lock '%s': it is not a file of our own (remove it)",
				  CREATE_LOCK);
	if (r >= 0)
		r = fd_lock(fd, LOCK_EX);
	if (r < 0)
		return fail(r, "cannot lock '%s'", CREATE_LOCK);
	*ret = take_fd(&fd);
	return 0;
}

/* One that was killed stands in nobody's way; one that still works does. */
static int reap_killed(const struct context *context)
{
	autoclose int lock = -EBADF;
	int r = is_there(context->arena, context->name)
			? nixos_lock_now(context->arena, &lock, context->name)
			: -EWOULDBLOCK;

	if (r == -EWOULDBLOCK)
		return 0;
	return r < 0 ? r : unfinished_reap(context, lock, context->name);
}

/* Nobody else takes the name, until the conf does. */
static int reserve(struct context *context, struct nixos *container, int *ret_creation,
		   int *ret_lock)
{
	int r = lock_creation(ret_creation);

	if (r >= 0)
		r = reap_killed(context);
	if (r >= 0)
		r = choose_name(context);
	if (r >= 0)
		r = nixos_lock(context->arena, ret_lock, context->name);
	if (r >= 0)
		r = unfinished_reap(context, *ret_lock, context->name);
	return r < 0 ? r : nixos_new(context->arena, container, context->name);
}

static int define(const struct context *context, struct nixos *container, int lock_fd,
		  const struct unfinished *before)
{
	int r = nixos_refuse_applied(context->arena, container, "create");

	if (r < 0)
		return r;
	fill(context, &container->conf);
	r = choose_addresses(context, &container->conf);
	if (r >= 0)
		r = nixos_check(context->arena, container);
	if (r >= 0)
		r = check_flags(context, &container->conf);
	if (r >= 0)
		r = check_companion(context, container);
	if (r >= 0)
		r = unfinished_note(context, lock_fd, before);
	if (r >= 0)
		r = nixos_write(context->arena, container);
	return r;
}

static void tell_addresses(const struct nixos_conf *conf)
{
	if (nixos_conf_value(conf, NIXOS_CONF_LOCAL_ADDRESS) != NULL)
		log_info("host IP is %s, container IP is %s",
			 nixos_conf_value(conf, NIXOS_CONF_HOST_ADDRESS),
			 nixos_conf_value(conf, NIXOS_CONF_LOCAL_ADDRESS));
}

/* What failed tells why, whatever happens while the rest goes. */
static void take_back(const struct context *context, const struct nixos *container, int lock_fd,
		      const struct unfinished *before)
{
	struct failure why = *fail_recorded();

	if (unfinished_take_back(context, container, before) < 0)
		log_warning("%s, going on without", fail_recorded()->text);
	unfinished_end(lock_fd);
	fail_adopt(&why);
}

static int make(const struct context *context, struct nixos *container, int *creation, int lock_fd)
{
	struct unfinished before;
	int r;

	unfinished_look(&before, container);
	r = define(context, container, lock_fd, &before);
	fd_close(creation);
	if (r < 0) {
		unfinished_end(lock_fd);
		return r;
	}
	tell_addresses(&container->conf);
	r = write_companion(context, container);
	if (r >= 0)
		r = build_make_places(context, container);
	if (r >= 0)
		r = build(context, container, true);
	if (r < 0)
		take_back(context, container, lock_fd, &before);
	else
		unfinished_end(lock_fd);
	return r;
}

int verb_create(void *context_, const struct text_list *words)
{
	struct context *context = context_;
	autoclose int creation = -EBADF, lock = -EBADF;
	struct nixos container;
	sigset_t unheld;
	int r = check_network(&context->options);

	(void)words;
	if (r >= 0)
		r = reserve(context, &container, &creation, &lock);
	if (r < 0)
		return r;
	nixos_child_hold(&unheld);
	r = make(context, &container, &creation, lock);
	nixos_child_let_go(&unheld);
	if (r < 0)
		return r;
	/* systemd has to look even if it is to start nothing: it may be told to later. */
	power_at_boot(context, context->options.auto_start);
	if (context->options.unique)
		r = program_print(&context->program,
				  arena_format(context->arena, "%s\n", container.name));
	return r < 0 ? r : 0;
}
