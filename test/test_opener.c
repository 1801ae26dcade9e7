/* test_opener.c - the process that opens files: which, and what it leaves behind. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../file.h"
#include "../opener.h"

static char folder[] = "/tmp/test_opener-XXXXXX";
static char paths[5][64];       /* one, two, none, socket, other */
static struct opener_names names;

enum { ONE, TWO, NONE, SOCKET, OTHER };

static void write_file(int which, const char *text)
{
	FILE *file = fopen(paths[which], "w");

	CHECK(file != NULL && fputs(text, file) >= 0 && fclose(file) == 0);
}

static void make_names(void)
{
	static const char *const last[] = { "one", "two", "none", "socket", "other" };
	int i;

	CHECK(mkdtemp(folder) != NULL);
	for (i = 0; i < 5; i++)
		snprintf(paths[i], sizeof paths[i], "%s/%s", folder, last[i]);
	write_file(ONE, "the first");
	write_file(TWO, "the second");
	names = (struct opener_names){ .file_count = 3, .socket_count = 1 };
	for (i = 0; i < 3; i++)
		names.files[i] = paths[i];
	names.sockets[0] = paths[SOCKET];
}

static void clear_names(void)
{
	int i;

	for (i = 0; i < 5; i++)
		unlink(paths[i]);
	CHECK(rmdir(folder) == 0);
}

static void bind_socket(int which)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	memcpy(address.sun_path, paths[which], strlen(paths[which]) + 1);
	CHECK(bind(fd, (struct sockaddr *)&address, sizeof address) == 0);
	close(fd);
}

static bool exists(int which)
{
	struct stat status;

	return lstat(paths[which], &status) == 0;
}

static void wait_ms(long ms)
{
	nanosleep(&(struct timespec){ ms / 1000, ms % 1000 * 1000000 }, NULL);
}

/* Does the file with this number have this text? */
static bool opens(struct opener *opener, size_t number, const char *text)
{
	size_t size = 0;
	char *content = file_read(opener_open(opener, number), 100, &size);
	bool same = content != NULL && strcmp(content, text) == 0;

	free(content);
	return same;
}

static bool fails(struct opener *opener, size_t number, int fault)
{
	errno = 0;
	return opener_open(opener, number) == -1 && errno == fault;
}

static void named_files_open(void)
{
	struct opener opener;

	CHECK(opener_start(&opener, &names));
	CHECK(opens(&opener, ONE, "the first"));
	CHECK(opens(&opener, TWO, "the second"));
	CHECK(opens(&opener, ONE, "the first"));
	CHECK(fails(&opener, NONE, ENOENT));
	write_file(NONE, "new");
	CHECK(opens(&opener, NONE, "new"));
	CHECK(unlink(paths[NONE]) == 0);
	CHECK(fails(&opener, NONE, ENOENT));
	opener_end(&opener);
	CHECK(opener.fd == -1 && opener.pid == 0);
	CHECK(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
}

static void no_others_open(void)
{
	struct opener opener;
	size_t number;

	CHECK(opener_start(&opener, &names));
	for (number = 3; number < 100; number++)
		CHECK(fails(&opener, number, EINVAL));
	CHECK(fails(&opener, UINT32_MAX, EINVAL));
	CHECK(fails(&opener, SIZE_MAX, EINVAL));
	CHECK(opens(&opener, ONE, "the first"));
	opener_end(&opener);
}

/* Whoever has taken the program over sends what he likes. */
static void nonsense_ends_it(void)
{
	struct opener opener;
	char text[64] = "/etc/passwd";
	int status = -1;

	CHECK(opener_start(&opener, &names));
	memset(text + 12, 0xee, sizeof text - 12);
	CHECK(send(opener.fd, text, sizeof text, 0) == (ssize_t)sizeof text);
	/* Those were eight requests for files that are not there. */
	CHECK(opens(&opener, TWO, "the second"));
	CHECK(send(opener.fd, text, 5, 0) == 5);
	CHECK(shutdown(opener.fd, SHUT_WR) == 0);
	CHECK(waitpid(opener.pid, &status, 0) == opener.pid && status == 0);
	opener.pid = 0;
	opener_end(&opener);
}

/* How many descriptors up to 20 a process has. */
static int count_descriptors(pid_t pid)
{
	char path[64], target[64];
	int fd, count = 0;

	for (fd = 0; fd < 20; fd++) {
		snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)pid, fd);
		count += readlink(path, target, sizeof target) >= 0;
	}
	return count;
}

static void it_has_one_descriptor(void)
{
	struct opener opener;
	int tries;

	CHECK(opener_start(&opener, &names));
	CHECK(opens(&opener, ONE, "the first"));
	if (count_descriptors(getpid()) == 0) {
		printf("skipped, as there is no /proc: counting of descriptors\n");
		return;
	}
	CHECK(count_descriptors(getpid()) > 3);
	/* It closes what it has handed over, after that. */
	for (tries = 0; count_descriptors(opener.pid) > 1 && tries < 100; tries++)
		wait_ms(10);
	CHECK(count_descriptors(opener.pid) == 1);
	opener_end(&opener);
}

static void signals_do_not_end_it(void)
{
	static const int numbers[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE };
	struct opener opener;
	size_t i;

	CHECK(opener_start(&opener, &names));
	CHECK(opens(&opener, ONE, "the first"));        /* it is that far */
	for (i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
		CHECK(kill(opener.pid, numbers[i]) == 0);
	CHECK(opens(&opener, ONE, "the first"));
	opener_end(&opener);
}

static void its_end_shows(void)
{
	struct opener opener;
	pid_t pid;

	CHECK(opener_start(&opener, &names));
	pid = opener.pid;
	CHECK(kill(pid, SIGKILL) == 0);
	wait_ms(50);
	CHECK(fails(&opener, ONE, ESRCH));
	CHECK(opener.fd == -1);
	CHECK(fails(&opener, ONE, ESRCH));
	opener_note(&opener);
	opener_end(&opener);
	CHECK(kill(pid, 0) == -1 && errno == ESRCH);    /* nor is it a zombie */
	opener = OPENER_NONE;
	CHECK(fails(&opener, ONE, ESRCH));
	opener_end(&opener);
}

/* An answer that comes too late is not taken for the next one. */
static void late_answers_are_not_mixed_up(void)
{
	struct opener opener;

	CHECK(opener_start(&opener, &names));
	CHECK(kill(opener.pid, SIGSTOP) == 0);
	CHECK(fails(&opener, ONE, ETIMEDOUT));
	CHECK(kill(opener.pid, SIGCONT) == 0);
	CHECK(opens(&opener, TWO, "the second"));
	CHECK(opens(&opener, ONE, "the first"));
	opener_end(&opener);
}

/* One that does not answer is not waited for for ever. */
static void a_stopped_one_is_left(void)
{
	struct opener opener;
	pid_t pid;

	CHECK(opener_start(&opener, &names));
	pid = opener.pid;
	CHECK(kill(pid, SIGSTOP) == 0);
	opener_end(&opener);
	CHECK(kill(pid, SIGCONT) == 0);
	CHECK(waitpid(pid, NULL, 0) == pid);
}

static void no_descriptor_left(void)
{
	struct rlimit before, none;
	struct opener opener;
	int first;

	CHECK(opener_start(&opener, &names));
	CHECK(getrlimit(RLIMIT_NOFILE, &before) == 0);
	none = before;
	first = dup(0);
	close(first);
	none.rlim_cur = (rlim_t)first;
	CHECK(setrlimit(RLIMIT_NOFILE, &none) == 0);
	CHECK(fails(&opener, ONE, EMFILE));
	CHECK(setrlimit(RLIMIT_NOFILE, &before) == 0);
	CHECK(opens(&opener, ONE, "the first"));
	opener_end(&opener);
}

/* -- calls that fail ---------------------------------------------------------------------- */

enum call { FORK, SOCKETPAIR, SETSOCKOPT, SEND, RECVMSG, CALLS };

/* How often each call fails next, and with what. */
static struct {
	int times, fault;
} fault_of[CALLS];

static bool call_fails(enum call call)
{
	if (fault_of[call].times == 0)
		return false;
	fault_of[call].times--;
	errno = fault_of[call].fault;
	return true;
}

static void call_fail(enum call call, int times, int fault)
{
	fault_of[call].times = times;
	fault_of[call].fault = fault;
}

#define WRAP(type, name, call, parameters, arguments) \
	type __real_##name parameters; \
	type __wrap_##name parameters; \
	type __wrap_##name parameters \
	{ \
		return call_fails(call) ? -1 : __real_##name arguments; \
	}

WRAP(pid_t, fork, FORK, (void), ())
WRAP(int, socketpair, SOCKETPAIR, (int family, int type, int protocol, int ends[2]),
    (family, type, protocol, ends))
WRAP(int, setsockopt, SETSOCKOPT, (int fd, int level, int option, const void *value,
    socklen_t length), (fd, level, option, value, length))
WRAP(ssize_t, send, SEND, (int fd, const void *bytes, size_t size, int flags),
    (fd, bytes, size, flags))
WRAP(ssize_t, recvmsg, RECVMSG, (int fd, struct msghdr *message, int flags), (fd, message, flags))

/* A start that fails leaves nothing. */
static void starts_fail(void)
{
	static const struct {
		enum call call;
		int fault;
	} cases[] = { { FORK, EAGAIN }, { FORK, ENOMEM }, { SOCKETPAIR, EMFILE },
		{ SETSOCKOPT, ENOBUFS } };
	struct opener opener;
	int before = dup(0), after;
	size_t i;

	close(before);
	for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		call_fail(cases[i].call, 1, cases[i].fault);
		errno = 0;
		CHECK(!opener_start(&opener, &names) && errno == cases[i].fault);
		CHECK(opener.fd == -1 && opener.pid == 0);
		after = dup(0);
		CHECK(after == before);
		close(after);
		opener_end(&opener);
	}
	CHECK(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
}

static void requests_fail(void)
{
	struct opener opener;

	CHECK(opener_start(&opener, &names));
	call_fail(RECVMSG, 3, EINTR);
	CHECK(opens(&opener, ONE, "the first"));
	call_fail(RECVMSG, 1, EAGAIN);
	CHECK(fails(&opener, ONE, ETIMEDOUT));
	CHECK(opens(&opener, TWO, "the second"));
	call_fail(RECVMSG, 1, ECONNRESET);
	CHECK(fails(&opener, ONE, ESRCH));
	opener_end(&opener);
	CHECK(opener_start(&opener, &names));
	call_fail(SEND, 1, EPIPE);
	CHECK(fails(&opener, ONE, ESRCH));
	CHECK(fails(&opener, ONE, ESRCH));
	opener_end(&opener);
	CHECK(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
}

/* -- the files of sockets ----------------------------------------------------------------- */

static void sockets_are_removed(void)
{
	struct opener opener;

	CHECK(opener_start(&opener, &names));
	bind_socket(SOCKET);
	bind_socket(OTHER);
	opener_note(&opener);
	CHECK(chmod(paths[SOCKET], 0777) == 0);         /* somebody may */
	opener_end(&opener);
	CHECK(!exists(SOCKET));
	CHECK(exists(OTHER));
	CHECK(exists(ONE));
	CHECK(unlink(paths[OTHER]) == 0);
}

/* What was there before, or took the place later, is another's. */
static void strangers_sockets_stay(void)
{
	struct opener opener;

	CHECK(opener_start(&opener, &names));
	bind_socket(SOCKET);
	opener_end(&opener);
	CHECK(exists(SOCKET));
	CHECK(opener_start(&opener, &names));
	opener_note(&opener);
	CHECK(unlink(paths[SOCKET]) == 0);
	wait_ms(20);
	bind_socket(SOCKET);
	opener_end(&opener);
	CHECK(exists(SOCKET));
	CHECK(unlink(paths[SOCKET]) == 0);
	CHECK(opener_start(&opener, &names));
	write_file(SOCKET, "not a socket");
	opener_note(&opener);
	opener_end(&opener);
	CHECK(exists(SOCKET));
	CHECK(unlink(paths[SOCKET]) == 0);
}

/* A program that is killed leaves nothing. */
static void sockets_are_removed_after_a_kill(void)
{
	struct opener opener;
	int ends[2], tries;
	pid_t pid;
	char byte;

	CHECK(pipe(ends) == 0);
	pid = fork();
	if (pid == 0) {
		if (!opener_start(&opener, &names))
			_exit(1);
		bind_socket(SOCKET);
		opener_note(&opener);
		_exit(write(ends[1], &opener.pid, sizeof opener.pid) < 0 || pause());
	}
	close(ends[1]);
	CHECK(read(ends[0], &opener.pid, sizeof opener.pid) == (ssize_t)sizeof opener.pid);
	CHECK(exists(SOCKET));
	CHECK(kill(pid, SIGKILL) == 0 && waitpid(pid, NULL, 0) == pid);
	for (tries = 0; exists(SOCKET) && tries < 200; tries++)
		wait_ms(10);
	CHECK(!exists(SOCKET));
	CHECK(read(ends[0], &byte, 1) == 0);            /* it has closed what it had of the pipe */
	close(ends[0]);
}

int main(void)
{
	make_names();
	RUN(named_files_open);
	RUN(no_others_open);
	RUN(nonsense_ends_it);
	RUN(it_has_one_descriptor);
	RUN(signals_do_not_end_it);
	RUN(its_end_shows);
	RUN(late_answers_are_not_mixed_up);
	RUN(a_stopped_one_is_left);
	RUN(no_descriptor_left);
	RUN(starts_fail);
	RUN(requests_fail);
	RUN(sockets_are_removed);
	RUN(strangers_sockets_stay);
	RUN(sockets_are_removed_after_a_kill);
	clear_names();
	return test_end();
}
