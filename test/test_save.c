/* test_save.c - files that are replaced whole or not at all, and calls that fail meanwhile. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../save.h"

static char folder[] = "/tmp/test_save-XXXXXX";

/* -- calls that fail ---------------------------------------------------------------------- */

enum call { OPENAT, WRITE, FSYNC, RENAMEAT, UNLINKAT, CALLS };

/* Which of the next ones of each call fails, from 1, and with what; 0: none. */
static struct {
	int nth, fault;
} fault_of[CALLS];

static size_t write_most = SIZE_MAX;    /* bytes that a write takes */
/* Somebody else makes history.new, before the first fsync; or a link, once it was removed. */
static bool swapped, linked;

static bool call_fails(enum call call)
{
	if (fault_of[call].nth == 0 || --fault_of[call].nth > 0)
		return false;
	errno = fault_of[call].fault;
	return true;
}

static void call_fail(enum call call, int nth, int fault)
{
	fault_of[call].nth = nth;
	fault_of[call].fault = fault;
}

int __real_openat(int at, const char *path, int flags, ...);
int __wrap_openat(int at, const char *path, int flags, ...);
ssize_t __real_write(int fd, const void *bytes, size_t size);
ssize_t __wrap_write(int fd, const void *bytes, size_t size);
int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __real_renameat(int from_at, const char *from, int at, const char *path);
int __wrap_renameat(int from_at, const char *from, int at, const char *path);
int __real_unlinkat(int at, const char *path, int flags);
int __wrap_unlinkat(int at, const char *path, int flags);

int __wrap_openat(int at, const char *path, int flags, ...)
{
	return call_fails(OPENAT) ? -1 : __real_openat(at, path, flags, 0644);
}

ssize_t __wrap_write(int fd, const void *bytes, size_t size)
{
	return call_fails(WRITE) ? (fault_of[WRITE].fault != 0 ? -1 : 0) :
	    __real_write(fd, bytes, size < write_most ? size : write_most);
}

static const char *path_of(const char *name)
{
	static char paths[4][128];
	static unsigned last;
	char *path = paths[last++ % 4];

	snprintf(path, sizeof paths[0], "%s/%s", folder, name);
	return path;
}

static void put_file(const char *name, const char *content)
{
	FILE *file = fopen(path_of(name), "w");

	CHECK(file != NULL && fputs(content, file) >= 0 && fclose(file) == 0);
}

int __wrap_fsync(int fd)
{
	if (swapped) {
		swapped = false;
		CHECK(unlink(path_of("history.new")) == 0);
		put_file("history.new", "half of an");
	}
	return call_fails(FSYNC) ? -1 : __real_fsync(fd);
}

int __wrap_renameat(int from_at, const char *from, int at, const char *path)
{
	return call_fails(RENAMEAT) ? -1 : __real_renameat(from_at, from, at, path);
}

int __wrap_unlinkat(int at, const char *path, int flags)
{
	int result = call_fails(UNLINKAT) ? -1 : __real_unlinkat(at, path, flags);

	if (linked)
		CHECK(symlink(path_of("other"), path_of("history.new")) == 0);
	linked = false;
	return result;
}

/* -- files ---------------------------------------------------------------------------------- */

/* Does a file have this content, and is it a file? NULL: there is none. */
static bool holds(const char *name, const char *content)
{
	char text[64] = "";
	struct stat status;
	FILE *file;

	if (lstat(path_of(name), &status) != 0)
		return content == NULL;
	file = S_ISREG(status.st_mode) ? fopen(path_of(name), "r") : NULL;
	if (file == NULL || content == NULL)
		return false;
	text[fread(text, 1, sizeof text - 1, file)] = '\0';
	fclose(file);
	return strcmp(text, content) == 0;
}

static int save_text(const char *text)
{
	return save_file(folder, "history", text, strlen(text));
}

static void clear(void)
{
	static const char *const names[] = { "history", "history.new", "history.damaged", "other" };
	size_t i;

	for (i = 0; i < sizeof names / sizeof names[0]; i++)
		remove(path_of(names[i]));
	memset(fault_of, 0, sizeof fault_of);
	write_most = SIZE_MAX;
}

/* No descriptor was left open: the next one is the same as before. */
static bool is_clean(void)
{
	static int first = -1;
	int fd = dup(0);

	close(fd);
	if (first < 0)
		first = fd;
	return fd == first;
}

static void files_are_replaced(void)
{
	struct stat status;

	umask(022);
	CHECK(save_text("the first") == 0);
	CHECK(holds("history", "the first"));
	CHECK(stat(path_of("history"), &status) == 0 && (status.st_mode & 07777) == 0644);
	CHECK(save_text("the second, which is longer") == 0);
	CHECK(holds("history", "the second, which is longer"));
	CHECK(save_text("") == 0);
	CHECK(holds("history", ""));
	CHECK(holds("history.new", NULL));
	CHECK(is_clean());
	clear();
}

/* What lies in the way of the new file, as a crash would leave it, or somebody. */
static void leftovers_go(void)
{
	put_file("history.new", "half of a");
	CHECK(save_text("all") == 0);
	CHECK(holds("history", "all") && holds("history.new", NULL));
	put_file("other", "mine");
	CHECK(symlink(path_of("other"), path_of("history.new")) == 0);
	CHECK(save_text("all again") == 0);
	CHECK(holds("history", "all again") && holds("other", "mine"));
	CHECK(unlink(path_of("history")) == 0);
	CHECK(symlink(path_of("other"), path_of("history")) == 0);
	CHECK(save_text("once more") == 0);
	CHECK(holds("history", "once more") && holds("other", "mine"));
	CHECK(mkdir(path_of("history.new"), 0755) == 0);
	CHECK(save_text("no") != 0);
	CHECK(save_try(folder, "history") != 0);
	CHECK(holds("history", "once more"));
	CHECK(is_clean());
	clear();
}

static void calls_fail(void)
{
	static const struct {
		enum call call;
		int nth, fault;
		bool there;             /* the new one has taken the place */
	} cases[] = {
		{ OPENAT, 1, EACCES, false }, { OPENAT, 1, EEXIST, false },
		{ OPENAT, 1, ENOSPC, false }, { OPENAT, 1, EROFS, false },
		{ WRITE, 1, ENOSPC, false }, { WRITE, 3, EDQUOT, false },
		{ FSYNC, 1, EIO, false }, { FSYNC, 1, ENOSPC, false },
		{ RENAMEAT, 1, EACCES, false }, { RENAMEAT, 1, EIO, false },
		{ UNLINKAT, 1, EACCES, false }, { UNLINKAT, 1, EROFS, false },
		{ FSYNC, 2, EIO, true }
	};
	size_t i;

	for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		put_file("history", "before");
		write_most = 2;
		call_fail(cases[i].call, cases[i].nth, cases[i].fault);
		CHECK(save_text("afterwards") == cases[i].fault);
		CHECK(holds("history", cases[i].there ? "afterwards" : "before"));
		CHECK(holds("history.new", NULL));
		CHECK(is_clean());
		clear();
	}
	call_fail(WRITE, 1, 0);
	CHECK(save_text("nothing of it is taken") == EIO);
	CHECK(holds("history", NULL) && is_clean());
	clear();
}

/* Those that are none. */
static void calls_are_taken_up_again(void)
{
	call_fail(WRITE, 2, EINTR);
	write_most = 3;
	CHECK(save_text("in small pieces") == 0);
	CHECK(holds("history", "in small pieces"));
	/* A file system that cannot write out a folder. */
	call_fail(FSYNC, 2, EINVAL);
	CHECK(save_text("on a strange disk") == 0);
	CHECK(holds("history", "on a strange disk"));
	clear();
}

/* Of two that save at a time nobody's half becomes the file. */
static void two_at_a_time(void)
{
	put_file("history", "before");
	swapped = true;
	CHECK(save_text("afterwards") == EBUSY);
	CHECK(holds("history", "before") && holds("history.new", "half of an"));
	CHECK(is_clean());
	clear();
}

/* Nor is what somebody puts there in the last moment written to. */
static void no_link_is_followed(void)
{
	put_file("history", "before");
	put_file("other", "mine");
	linked = true;
	CHECK(save_text("afterwards") == EEXIST);
	CHECK(holds("history", "before") && holds("other", "mine"));
	CHECK(save_text("afterwards") == 0);
	CHECK(holds("history", "afterwards") && holds("other", "mine"));
	CHECK(is_clean());
	clear();
}

static void folders_are_wrong(void)
{
	char longest[5000];

	memset(longest, 'a', sizeof longest - 1);
	longest[sizeof longest - 1] = '\0';
	put_file("other", "a file");
	CHECK(save_file(path_of("none"), "history", "", 0) == ENOENT);
	CHECK(save_file(path_of("other"), "history", "", 0) == ENOTDIR);
	CHECK(save_file(longest, "history", "", 0) == ENAMETOOLONG);
	CHECK(save_try(path_of("none"), "history") == ENOENT);
	CHECK(save_try(path_of("other"), "history") == ENOTDIR);
	CHECK(save_try(longest, "history") == ENAMETOOLONG);
	CHECK(save_aside(path_of("none"), "history", "history.damaged") == ENOENT);
	CHECK(is_clean());
	clear();
}

static void tries_leave_nothing(void)
{
	put_file("history", "before");
	CHECK(save_try(folder, "history") == 0);
	CHECK(holds("history", "before") && holds("history.new", NULL));
	put_file("history.new", "left over");
	CHECK(save_try(folder, "history") == 0);
	CHECK(holds("history.new", NULL));
	call_fail(OPENAT, 1, EROFS);
	CHECK(save_try(folder, "history") == EROFS);
	call_fail(UNLINKAT, 2, EIO);
	CHECK(save_try(folder, "history") == EIO);
	CHECK(is_clean());
	clear();
}

static void files_are_set_aside(void)
{
	put_file("history", "damaged");
	put_file("history.damaged", "an older one");
	CHECK(save_aside(folder, "history", "history.damaged") == 0);
	CHECK(holds("history", NULL) && holds("history.damaged", "damaged"));
	CHECK(save_aside(folder, "history", "history.damaged") == ENOENT);
	call_fail(RENAMEAT, 1, EROFS);
	CHECK(save_aside(folder, "history", "history.damaged") == EROFS);
	CHECK(is_clean());
	clear();
}

/* A disk that is full, as far as one can be had. */
static void there_is_no_room(void)
{
	struct rlimit before, none;

	signal(SIGXFSZ, SIG_IGN);
	put_file("history", "before");
	CHECK(getrlimit(RLIMIT_FSIZE, &before) == 0);
	none = before;
	none.rlim_cur = 4;
	CHECK(setrlimit(RLIMIT_FSIZE, &none) == 0);
	CHECK(save_text("afterwards") == EFBIG);
	CHECK(setrlimit(RLIMIT_FSIZE, &before) == 0);
	CHECK(holds("history", "before") && holds("history.new", NULL));
	clear();
}

/* Whoever may not write there; root always may. */
static void folders_are_closed(void)
{
	pid_t pid;
	int status;

	put_file("history", "before");
	CHECK(chmod(folder, 0555) == 0);
	pid = fork();
	if (pid == 0) {
		if (geteuid() == 0 && setuid(65534) != 0)
			_exit(1);
		_exit(save_text("afterwards") == EACCES && save_try(folder, "history") == EACCES &&
		    save_aside(folder, "history", "history.damaged") == EACCES ? 0 : 1);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	CHECK(chmod(folder, 0755) == 0);
	CHECK(holds("history", "before"));
	clear();
}

int main(void)
{
	CHECK(mkdtemp(folder) != NULL);
	CHECK(is_clean());
	RUN(files_are_replaced);
	RUN(leftovers_go);
	RUN(calls_fail);
	RUN(calls_are_taken_up_again);
	RUN(two_at_a_time);
	RUN(no_link_is_followed);
	RUN(folders_are_wrong);
	RUN(tries_leave_nothing);
	RUN(files_are_set_aside);
	RUN(there_is_no_room);
	RUN(folders_are_closed);
	CHECK(rmdir(folder) == 0);
	return test_end();
}
