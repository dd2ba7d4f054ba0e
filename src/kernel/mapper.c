#include "kernel/mapper.h"

#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/text.h"
#include "io/fd.h"

#define TRIES_MAX 256
#define FIRST_BYTES 4096
#define TEXT_MAX 8192	  /* a table, or names of devices */
#define OURS "redd-"	  /* names, which others may give, too */
#define OURS_UUID "REDD-" /* by which the kernel tells whose a device is */

/* For udev, in the upper half of the event number: the device is ours alone. No links to it are
 * made, and nobody looks what is in it. */
#define UDEV_LEAVE_IT (UINT32_C(0x1f) << 16)

struct request {
	struct dm_ioctl head;
	struct dm_target_spec target;
	char text[TEXT_MAX];
};

static int command(int control, unsigned long number, struct request *request, const char *name,
		   uint32_t flags)
{
	request->head = (struct dm_ioctl){
		.version = { DM_VERSION_MAJOR, 0, 0 },
		.data_size = sizeof(*request),
		.data_start = offsetof(struct request, target),
		.target_count = 1,
		.flags = flags,
	};
	if (number == DM_DEV_SUSPEND || number == DM_DEV_REMOVE)
		request->head.event_nr = UDEV_LEAVE_IT;
	snprintf(request->head.name, sizeof(request->head.name), "%s", name);
	if (number == DM_DEV_CREATE)
		snprintf(request->head.uuid, sizeof(request->head.uuid), OURS_UUID "%.120s", name);
	return ioctl(control, number, request) < 0 ? -errno : 0;
}

static int open_device(dev_t device)
{
	char path[sizeof("/dev/dm-4294967295")];
	autoclose int fd = -EBADF;
	struct stat st;

	snprintf(path, sizeof(path), "/dev/dm-%u", minor(device));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return errno == ENOENT ? -ENODEV : -errno;
	return S_ISBLK(st.st_mode) && st.st_rdev == device ? take_fd(&fd) : -ENODEV;
}

static bool is_ours(int control, const char *name)
{
	struct request request = { 0 };

	return text_after(name, OURS) != NULL &&
	       command(control, DM_DEV_STATUS, &request, name, 0) >= 0 &&
	       text_after(request.head.uuid, OURS_UUID) != NULL;
}

/* Whoever makes a device has the lock until it is open, so what can be removed meanwhile is what
 * one who was killed has left. */
static void sweep(int control)
{
	struct request list = { 0 }, request = { 0 };
	const char *at = (const char *)&list.target;
	size_t left = sizeof(list) - offsetof(struct request, target);
	const struct dm_name_list *entry = (const void *)at;

	if (command(control, DM_LIST_DEVICES, &list, "", 0) < 0 || entry->dev == 0)
		return;
	while (left > sizeof(*entry)) {
		if (is_ours(control, entry->name))
			(void)command(control, DM_DEV_REMOVE, &request, entry->name, 0);
		if (entry->next == 0 || entry->next > left)
			return;
		left -= entry->next;
		at += entry->next;
		entry = (const void *)at;
	}
}

static int create(int control, char ret_name[DM_NAME_LEN], const char *wanted, dev_t *ret_device)
{
	struct request request = { 0 };
	int r = -EBUSY;

	for (int i = 0; i < TRIES_MAX && r == -EBUSY; i++) {
		snprintf(ret_name, DM_NAME_LEN, OURS "%s-%d", wanted, i);
		r = command(control, DM_DEV_CREATE, &request, ret_name, DM_READONLY_FLAG);
	}
	*ret_device = (dev_t)request.head.dev;
	return r;
}

static int load(int control, const char *name, const char *target, uint64_t sectors,
		const char *table)
{
	struct request request = { .target.length = sectors };

	snprintf(request.target.target_type, sizeof(request.target.target_type), "%s", target);
	snprintf(request.text, sizeof(request.text), "%s", table);
	return command(control, DM_TABLE_LOAD, &request, name, DM_READONLY_FLAG);
}

/* What is removed while it is open goes when it is closed. It can be opened when it has a table. */
static int make(int control, const char *name, dev_t device, const char *target, uint64_t sectors,
		const char *table)
{
	int r = load(control, name, target, sectors, table);
	autoclose int fd = r < 0 ? r : open_device(device);
	struct request request = { 0 };

	r = command(control, DM_DEV_REMOVE, &request, name, DM_DEFERRED_REMOVE);
	if (fd >= 0 && r >= 0)
		r = command(control, DM_DEV_SUSPEND, &request, name, 0); /* begins to work */
	return fd < 0 ? fd : r < 0 ? r : take_fd(&fd);
}

static int look(int fd)
{
	char bytes[FIRST_BYTES];

	if (pread(fd, bytes, sizeof(bytes), 0) >= 0)
		return 0;
	return errno == EIO ? -EBADMSG : -errno;
}

int mapper_open(const char *name, const char *target, uint64_t sectors, const char *table)
{
	autoclose int control = open("/dev/mapper/control", O_RDWR | O_CLOEXEC);
	autoclose int made = -EBADF, fd = -EBADF;
	struct request request = { 0 };
	char full[DM_NAME_LEN];
	dev_t device;
	int r;

	if (control < 0)
		return errno == ENXIO || errno == ENODEV ? -ENOENT : -errno;
	if (strlen(table) >= TEXT_MAX)
		return -E2BIG;
	if (command(control, DM_GET_TARGET_VERSION, &request, target, 0) < 0)
		return -ENOPKG;
	if (flock(control, LOCK_EX) < 0)
		return -errno;
	sweep(control);
	r = create(control, full, name, &device);
	made = r < 0 ? r : make(control, full, device, target, sectors, table);
	if (flock(control, LOCK_UN) < 0 || made < 0)
		return made < 0 ? made : -errno;
	/* The first descriptor is of a device that was empty. */
	fd = open_device(device);
	if (fd < 0)
		return fd;
	r = look(fd);
	return r < 0 ? r : take_fd(&fd);
}
