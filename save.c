/* save.c - see save.h */
#include "save.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static int folder_open(const char *folder)
{
	return open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* Make the file that is to take the place. Returns its descriptor, or -1 with errno set. */
static int fresh_make(int folder, const char *name, char fresh[static SAVE_NAME_MAX + 4])
{
	snprintf(fresh, SAVE_NAME_MAX + 4, "%.*s.new", SAVE_NAME_MAX - 1, name);
	if (unlinkat(folder, fresh, 0) != 0 && errno != ENOENT)
		return -1;
	return openat(folder, fresh, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
}

/* 0 or errno. */
static int write_all(int fd, const char *bytes, size_t size)
{
	ssize_t put;

	while (size > 0) {
		put = write(fd, bytes, size);
		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return put < 0 ? errno : EIO;
		bytes += put;
		size -= (size_t)put;
	}
	return fsync(fd) == 0 ? 0 : errno;
}

/* Is this name still that of the file that was made? */
static bool is_ours(int folder, const char *fresh, int fd)
{
	struct stat made, there;

	return fstat(fd, &made) == 0 &&
	    fstatat(folder, fresh, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
	    made.st_dev == there.st_dev && made.st_ino == there.st_ino;
}

/* A rename lasts once its folder is written out, which some file systems cannot be told. */
static int folder_sync(int folder)
{
	return fsync(folder) == 0 || errno == EINVAL ? 0 : errno;
}

static int replace(int folder, const char *name, const void *bytes, size_t size)
{
	char fresh[SAVE_NAME_MAX + 4];
	int fd = fresh_make(folder, name, fresh), fault;

	if (fd < 0)
		return errno;
	fault = write_all(fd, bytes, size);
	if (!is_ours(folder, fresh, fd)) {
		close(fd);
		return fault != 0 ? fault : EBUSY;
	}
	close(fd);
	if (fault == 0 && renameat(folder, fresh, folder, name) == 0)
		return folder_sync(folder);
	fault = fault != 0 ? fault : errno;
	unlinkat(folder, fresh, 0);
	return fault;
}

int save_file(const char *folder, const char *name, const void *bytes, size_t size)
{
	int at = folder_open(folder), fault;

	if (at < 0)
		return errno;
	fault = replace(at, name, bytes, size);
	close(at);
	return fault;
}

int save_try(const char *folder, const char *name)
{
	char fresh[SAVE_NAME_MAX + 4];
	int at = folder_open(folder), fd, fault;

	if (at < 0)
		return errno;
	fd = fresh_make(at, name, fresh);
	fault = fd < 0 ? errno : 0;
	if (fd >= 0)
		close(fd);
	if (fault == 0 && unlinkat(at, fresh, 0) != 0)
		fault = errno;
	close(at);
	return fault;
}

int save_aside(const char *folder, const char *name, const char *aside)
{
	int at = folder_open(folder), fault;

	if (at < 0)
		return errno;
	fault = renameat(at, name, at, aside) == 0 ? folder_sync(at) : errno;
	close(at);
	return fault;
}
