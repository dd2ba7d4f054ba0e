#include "transfer/registry.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/text.h"
#include "io/fd.h"
#include "transfer/registry-inside.h"

int registry_open(struct arena *arena, struct registry *ret, const struct imageref *ref,
		  const struct registry_login *login, const struct download_trust *trust, bool push,
		  const struct worker_listener *listener)
{
	struct registry registry = REGISTRY_EMPTY;
	autoclose int theirs = -EBADF;
	struct registry_talk talk = {
		.ref = ref,
		.login = login,
		.trust = trust,
		.push = push,
	};
	struct worker_request request = {
		.name = "registry",
		.run = registry_inside,
		.context = &talk,
		.view = WORKER_SEES_NETWORK,
		.tree_fd = -EBADF,
		.fds = &theirs,
		.fd_count = 1,
	};
	int ends[2], r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return fail(-errno, "cannot talk to the registry '%s'", ref->registry);
	registry.desk = ends[0];
	theirs = talk.desk = ends[1];
	registry.listener = listener;
	registry.arena = arena;
	registry.name = arena_text(arena, ref->registry);
	r = worker_start(&registry.worker, &request);
	if (r < 0) {
		fd_close(&registry.desk);
		return r;
	}
	*ret = registry;
	return 0;
}

int registry_put(struct registry *registry, const struct registry_question *question, int fd)
{
	const struct iovec part = { (void *)question, sizeof(*question) };
	int r = fd_send_parts(registry->desk, &part, 1, &fd, fd >= 0);

	if (r >= 0 || r == -EPIPE) /* it has ended, and says why when it is heard */
		return 0;
	return fail(r, "cannot ask the registry '%s'", registry->name);
}

static int take_answer(struct registry_answer *ret, const void *data, size_t size)
{
	if (size != sizeof(*ret))
		return fail_plain(-EBADMSG, "a worker said something that it cannot mean");
	memcpy(ret, data, size);
	ret->type[sizeof(ret->type) - 1] = '\0';
	return 0;
}

static int told(void *context, unsigned int what, const void *data, size_t size)
{
	struct registry *registry = context;

	if (what == REGISTRY_TELLS_ANSWER)
		return take_answer(registry->answer, data, size);
	if (what == REGISTRY_TELLS_REALM) {
		autoarena struct arena arena = { 0 };

		log_notice("'%s' is told the login of the registry '%s'",
			   text_printable(&arena, arena_text_n(&arena, data, size)),
			   registry->name);
		return 0;
	}
	if (registry->listener == NULL || registry->listener->told == NULL)
		return 0;
	return registry->listener->told(registry->listener->context, what, data, size);
}

int registry_hear(struct registry *registry, struct registry_answer *ret)
{
	struct registry_answer answer = { .verb = REGISTRY_VERBS };
	struct worker_listener listener = {
		.progress = NULL, /* parts say more */
		.told = told,
		.context = registry,
	};
	int r;

	registry->answer = &answer;
	r = worker_hear(&registry->worker, &listener);
	if (r < 0)
		return r;
	if (r == 0)
		return fail_plain(-EPIPE, "the registry '%s' says nothing more", registry->name);
	if (answer.verb == REGISTRY_VERBS)
		return 0;
	*ret = answer;
	return 1;
}

int registry_ask(struct registry *registry, struct registry_answer *ret,
		 struct registry_question *question, int fd)
{
	int r;

	question->id = ++registry->last;
	r = registry_put(registry, question, fd);
	while (r >= 0) {
		r = registry_hear(registry, ret);
		if (r > 0)
			break;
	}
	if (r >= 0 && (ret->id != question->id || ret->verb != question->verb))
		return fail_plain(-EBADMSG, "a worker said something that it cannot mean");
	return r < 0 ? r : 0;
}

void registry_done(struct registry *registry)
{
	fd_close(&registry->desk);
	worker_done(&registry->worker);
}
