/* test_user.c - becoming a user without rights. Most of it needs root. */
#include "test.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../user.h"

#define NAME "nobody"

static char error[256];

static bool finds(const char *name, struct user *user)
{
	memset(error, 'x', sizeof error);
	return user_find(name, user, error, sizeof error);
}

/* Run a test in a process of its own, which becomes somebody. */
static void apart(void (*test)(void))
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		test_bad = 0;
		test();
		fflush(stdout);
		_exit(test_bad != 0);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

static void unknown(void)
{
	struct user user;

	CHECK(!finds("no-such-user-here", &user));
	CHECK(strcmp(error, "--user no-such-user-here: no such user") == 0);
	CHECK(!finds("root", &user));
	CHECK(strcmp(error, "--user root: has the rights that are to be given up") == 0);
}

static void become(void)
{
	struct user user;
	gid_t groups[64];
	struct stat status;
	char path[] = "/tmp/test_user-XXXXXX";
	int fd;

	CHECK(finds(NAME, &user));
	CHECK(user_lend_group(&user, error, sizeof error));
	CHECK(getuid() == 0 && geteuid() == 0);
	fd = mkstemp(path);
	CHECK(fd >= 0 && fstat(fd, &status) == 0);
	CHECK(status.st_uid == 0 && status.st_gid == user.group);
	CHECK(unlink(path) == 0);
	CHECK(user_become(&user, error, sizeof error));
	CHECK(getuid() == user.id && geteuid() == user.id);
	CHECK(getgid() == user.group && getegid() == user.group);
	CHECK(getgroups(64, groups) == 1 && groups[0] == user.group);
	CHECK(setuid(0) != 0 && setgid(0) != 0 && setgroups(0, NULL) != 0);
	/* Now it is not root's: it can become what it is, and nobody else. */
	CHECK(finds(NAME, &user) && user_lend_group(&user, error, sizeof error));
	CHECK(user_become(&user, error, sizeof error));
	CHECK(!finds("daemon", &user));
	CHECK(strcmp(error, "--user daemon: only root can become another user") == 0);
}

/* Root's rights that stay are found. */
static void become_in_part(void)
{
	struct user user;

	CHECK(finds(NAME, &user));
	CHECK(seteuid(user.id) == 0);
	CHECK(!finds(NAME, &user));
	CHECK(!user_become(&user, error, sizeof error));
	CHECK(strcmp(error, "--user nobody: root's rights were not given up") == 0);
}

/* -- calls that fail, or only say that they did not --------------------------------------- */

enum call { INITGROUPS, SETGID, SETUID, SETEUID, SETEGID, CALLS, NONE };

static enum call failing = NONE;
static int result;      /* of the call that does nothing */

#define WRAP(name, call, parameters, arguments) \
	int __real_##name parameters; \
	int __wrap_##name parameters; \
	int __wrap_##name parameters \
	{ \
		if (failing != call) \
			return __real_##name arguments; \
		errno = EPERM; \
		return result; \
	}

WRAP(initgroups, INITGROUPS, (const char *name, gid_t group), (name, group))
WRAP(setgid, SETGID, (gid_t group), (group))
WRAP(setuid, SETUID, (uid_t id), (id))
WRAP(seteuid, SETEUID, (uid_t id), (id))
WRAP(setegid, SETEGID, (gid_t group), (group))

static void become_fails(void)
{
	char refused[64];
	struct user user;

	CHECK(finds(NAME, &user));
	snprintf(refused, sizeof refused, "--user " NAME ": %s", strerror(EPERM));
	for (failing = INITGROUPS; failing <= SETUID; failing++) {
		CHECK(!user_become(&user, error, sizeof error));
		CHECK(strcmp(error, refused) == 0);
	}
	failing = SETEGID;
	CHECK(!user_lend_group(&user, error, sizeof error));
	CHECK(strcmp(error, refused) == 0);
}

/* setuid that does nothing, and one that can be undone. */
static void become_is_a_lie(void)
{
	struct user user;

	CHECK(finds(NAME, &user));
	result = 0;
	failing = SETUID;
	CHECK(!user_become(&user, error, sizeof error));
	CHECK(strcmp(error, "--user " NAME ": root's rights were not given up") == 0);
}

static void become_can_be_undone(void)
{
	struct user user;

	CHECK(finds(NAME, &user));
	result = 0;
	failing = SETEUID;      /* says that it got them back */
	CHECK(!user_become(&user, error, sizeof error));
	CHECK(strcmp(error, "--user " NAME ": root's rights were not given up") == 0);
}

static void as_root(void)
{
	result = -1;
	apart(become_fails);
	apart(become_is_a_lie);
	apart(become_can_be_undone);
	apart(become);
	apart(become_in_part);
}

int main(void)
{
	RUN(unknown);
	if (geteuid() == 0 && getpwnam(NAME) != NULL)
		RUN(as_root);
	else
		printf("skipped, as this is not root's: becoming a user\n");
	return test_end();
}
