/* machine/record - what is known about a running machine, and outlives a crash.
 *
 * One file per machine, /run/redd/machines/NAME (or below $XDG_RUNTIME_DIR),
 * held by an open-file-description lock for as long as its supervisor lives.
 * A note is one appended line, so a crash leaves at worst a last line without
 * its newline, which readers drop; only the lines of leader, supervisor and
 * what it was asked for, always as long, are written over. Before something that
 * outlives us is made, its intent is noted with the record's random tag; the
 * thing carries the tag; then its identity is noted. No fsync: /run does not
 * survive a boot, and neither does what is noted here. Speaking. Supervisor;
 * reading: any process.
 */
#pragma once
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct arena;

/* Asks a supervisor to replace its program by what is at RECORD_PROGRAM now. */
#define SUPERVISOR_REEXEC (SIGRTMIN + 25)

/* Tells a supervisor that machine/network-file was changed by somebody else. It notes that it has
 * heard it (RECORD_NETWORK) when what it does itself is as the file says, or why it cannot be. */
#define SUPERVISOR_NETWORK (SIGRTMIN + 26)

#define RECORD_TAG_ROOM 17
#define RECORD_SIZE_MAX (64 * 1024)
#define RECORD_NOTES_MAX 512

/* Beside "payload" in the machine's cgroup: what shows its disk image. */
#define RECORD_SERVED "served"

enum record_kind {
	RECORD_DIRECTORY, /* tree: information only */
	RECORD_LEADER,	  /* "PID START" */
	RECORD_LEADER_ID, /* "PID NUMBER": process_id() of the leader of that pid */
	RECORD_CGROUP,	  /* intent: path below the v2 root, made by us */
	RECORD_CGROUP_ID, /* identity: inode of the one noted last */
	RECORD_TEMPORARY, /* directory or file; its last component ends with the tag */
	RECORD_LOCK,	  /* lock file: removed if nobody holds it */
	RECORD_MOUNT,	  /* mount point of a mount whose source is the tag */
	RECORD_ID_BASE,	  /* information only */
	RECORD_NETNS,	  /* --network-namespace-path=: its namespace is not its own */
	RECORD_ID,	  /* the machine's id: 32 hex digits */
	RECORD_SERVICE,	  /* who made it: "systemd-nspawn" */
	RECORD_STARTED,	  /* "REALTIME MONOTONIC", microseconds */
	RECORD_PAYLOAD,	  /* the payload's cgroup, below the v2 root */
	RECORD_UNIT,	  /* the unit of the host's systemd that it lives in */
	RECORD_CONFINE,	  /* how PID 1 is confined: machine/confine */
	RECORD_INIT,	  /* "KIND STOP POWEROFF REBOOT": the init, and its signals */
	RECORD_PROGRAM,	  /* the supervisor's own program, for a newer one to take over */
	RECORD_READY,	  /* the guest said so: "REALTIME MONOTONIC" */
	RECORD_KEEP,   /* it may outlive its supervisor: directory of engine/keep, with the tag */
	RECORD_RUNS,   /* process number of the leader whose program runs; until then it is no
			* place to enter. Missing: it does */
	RECORD_HOLDER, /* "PID START" of engine/keep's process */
	RECORD_REEXEC, /* "TRIES ERROR": how often the program was replaced, or could not be */
	RECORD_STATE,  /* file of machine/state-file: removed if it names our leader */
	RECORD_ORIGIN, /* "RUNG PATH": the tree that the root began as, and leaves alone; "layers
			* PATH": the image whose layers it leaves alone */
	RECORD_LEASE,  /* file of an address of the pool: removed if the tag has it */
	RECORD_LINK,   /* alternative name, with the tag, of an interface on the host */
	RECORD_ZONE,   /* the bridge of the zone: removed if it is empty */
	RECORD_INTERFACE,  /* the host's name of one that was moved into the machine */
	RECORD_STOPPING,   /* the supervisor was asked to end it: "REALTIME MONOTONIC" */
	RECORD_NETWORK,	   /* "TIMES ERROR": how often its supervisor has followed
			    * machine/network-file, or could not; earlier programs: "TIMES" */
	RECORD_HEALTH,	   /* machine/health; missing: nothing is checked */
	RECORD_GENERATION, /* what was applied when it was started (declare/generation) */
	RECORD_KINDS
};

struct record {
	int fd;	    /* holds the lock */
	int dir_fd; /* of the records' directory */
	const char *name, *runtime;
	char tag[RECORD_TAG_ROOM]; /* 16 random hex digits */
	off_t leader_at, leader_id_at, runs_at, holder_at, reexec_at, network_at,
		health_at; /* where their lines are; 0: not noted yet */
	unsigned int reexecs, networks;
	size_t pending;
	char buffer[1024]; /* of record_note_later() */
};

#define RECORD_EMPTY                           \
	{                                      \
		.fd = -EBADF, .dir_fd = -EBADF \
	}

/* Make NAME's record below RUNTIME (see machine_runtime_directory()) and hold it. A dead record of
 * this name is reaped first. -EBUSY: the machine is running, or abandoned. */
int record_create(struct arena *arena, struct record *ret, const char *runtime, const char *name);

/* Append one note; one write(2). */
int record_note(struct record *record, enum record_kind kind, const char *value);

/* As record_note(), but written together with the next one: for what harms nobody if lost. */
void record_note_later(struct record *record, enum record_kind kind, const char *value);

/* The payload's identity; START from process_start_time(). */
int record_leader(struct record *record, pid_t pid, uint64_t start);

/* Its other one, before that; ID from process_id(). */
int record_leader_id(struct record *record, pid_t pid, uint64_t id);

/* The leader PID runs its program; 0: none does yet. */
int record_runs(struct record *record, pid_t pid);

/* The holder's, as the leader's. */
int record_holder(struct record *record, pid_t pid, uint64_t start);

/* How a replacement of the supervisor's program ended: 0, or a negative errno. */
int record_reexec(struct record *record, int result);

/* The network is served as machine/network-file says: 0; or a negative errno. */
int record_network(struct record *record, int result);

/* What is known of its health: health_print(). Quiet where it was noted before. */
int record_health(struct record *record, const char *report);

/* The record of the abandoned machine NAME, now ours. -EBUSY: it has a supervisor. -ENXIO: there is
 * none. */
int record_adopt(struct arena *arena, struct record *ret, const char *runtime, const char *name);

/* The record that an earlier program of this process held by FD, which is taken. */
int record_resume(struct arena *arena, struct record *ret, int fd, const char *runtime,
		  const char *name);

/* The machine is gone and with it all that was noted: remove the record. Accepts the empty
 * record. */
void record_remove(struct record *record);

/* The files beside NAME's record that go with it. Quiet. */
void record_unlink_notes(int dir_fd, const char *name);

/* While nothing but the lock is needed: hold one descriptor. */
void record_rest(struct record *record);

/* The others again: before the directory is out of sight. */
int record_wake(struct record *record);

/* Close without removing (in a child, or to leave a crash behind in tests). */
void record_close(struct record *record);

/* ---- reading ---- */

struct record_note_read {
	enum record_kind kind;
	const char *value;
};

struct record_content {
	char tag[RECORD_TAG_ROOM];
	pid_t supervisor; /* needs no start time: it lives as long as the lock is held */
	struct record_note_read *notes; /* in the order of writing */
	size_t count;
};

/* Parse the text of a record. Unknown kinds are skipped; a torn last line is dropped.
 * -EBADMSG: not a record. Quiet. */
int record_parse(struct arena *arena, struct record_content *ret, const char *text, size_t size);

/* "PID START" of a leader, or "PID NUMBER". -EBADMSG: not one that could ever be killed. Quiet. */
int record_parse_process(pid_t *ret_pid, uint64_t *ret_start, const char *value);

/* The negative errno of "TIMES ERROR"; 0: none, or VALUE is NULL or "TIMES" alone. Quiet. */
int record_parse_result(const char *value);

/* -EBUSY: its supervisor lives. FD must be open for writing. Quiet. */
int record_try_lock(int fd);

/* ---- where they are ---- */

/* The directory BELOW in RUNTIME, to be read. -ENOENT: not made yet. -EPERM: RUNTIME belongs to
 * somebody else but root, or others may write to it; in /tmp anybody may have been first, and
 * whoever believes what is there does what he wants. Quiet. */
int record_open_runtime(const char *runtime, const char *below);

/* The sentence for that. */
int record_fail_foreign(const char *runtime);

/* The records' directory, made if it is not there. */
int record_make_runtime(struct arena *arena, int *ret_fd, const char *runtime);
