/* test_opener.c - the process that opens files: which, and what it leaves behind. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../file.h"
#include "../opener.h"
#include "../user.h"

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
	char text[60] = "/etc/passwd";
	int status = -1;

	CHECK(opener_start(&opener, &names));
	memset(text + 12, 0xee, sizeof text - 12);
	CHECK(send(opener.fd, text, sizeof text, 0) == (ssize_t)sizeof text);
	/* Those were five requests of kinds that there are not. */
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

enum call { FORK, SOCKETPAIR, SETSOCKOPT, SEND, RECVMSG, MMAP, CALLS };

/* How often each call fails next, after how many that do not, and with what. */
static struct {
	int times, after, fault;
} fault_of[CALLS];

static bool call_fails(enum call call)
{
	if (fault_of[call].times == 0)
		return false;
	if (fault_of[call].after > 0) {
		fault_of[call].after--;
		return false;
	}
	fault_of[call].times--;
	errno = fault_of[call].fault;
	return true;
}

static void call_fail(enum call call, int times, int fault)
{
	fault_of[call].times = times;
	fault_of[call].after = 0;
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

void *__real_mmap(void *at, size_t size, int protection, int flags, int fd, off_t from);
void *__wrap_mmap(void *at, size_t size, int protection, int flags, int fd, off_t from);

void *__wrap_mmap(void *at, size_t size, int protection, int flags, int fd, off_t from)
{
	return call_fails(MMAP) ? MAP_FAILED : __real_mmap(at, size, protection, flags, fd, from);
}

/* How many ms a disk takes; -1: who writes to it is killed. */
static int disk_time;

int __real_fsync(int fd);
int __wrap_fsync(int fd);

int __wrap_fsync(int fd)
{
	if (disk_time < 0)
		raise(SIGKILL);
	wait_ms(disk_time);
	return __real_fsync(fd);
}

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
	/* They are noted once: whoever took the program over cannot have others removed. */
	CHECK(opener_start(&opener, &names));
	opener_note(&opener);
	CHECK(unlink(paths[SOCKET]) == 0);
	wait_ms(20);
	bind_socket(SOCKET);
	opener_note(&opener);
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

/* -- commands ----------------------------------------------------------------------------- */

#define START_TIME 5000         /* ms that anything may take here */
#define CHILD_PID "echo $$; "   /* a command that says who it is */

static uint64_t clock_ms(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

/* Start an opener with these commands, which end in a NULL. */
static void start_with(struct opener *opener, const char *const *commands)
{
	struct opener_names with = names;

	for (; commands[with.command_count] != NULL; with.command_count++)
		with.commands[with.command_count] = commands[with.command_count];
	CHECK(opener_start(opener, &with));
}

static void start_one(struct opener *opener, const char *command)
{
	const char *const commands[] = { command, NULL };

	start_with(opener, commands);
}

/* Wait for the answer. */
static int launched(struct opener *opener, size_t command)
{
	uint64_t until = clock_ms() + START_TIME;
	int fd;

	do {
		fd = opener_launched(opener, command);
		if (fd >= 0 || errno != EINPROGRESS)
			return fd;
		wait_ms(2);
	} while (clock_ms() < until);
	errno = EINPROGRESS;
	return -1;
}

static int launch(struct opener *opener, size_t command)
{
	int fd = -1;

	CHECK(opener_launch(opener, command));
	CHECK((fd = launched(opener, command)) >= 0);
	return fd;
}

/* Read up to a newline, which is left out, or to the end. */
static const char *read_text(int fd)
{
	static char text[256];
	size_t length = 0;
	struct pollfd waited = { fd, POLLIN, 0 };

	while (length < sizeof text - 1 && poll(&waited, 1, START_TIME) > 0 &&
	    read(fd, text + length, 1) == 1 && text[length] != '\n')
		length++;
	text[length] = '\0';
	return text;
}

static bool has_ended(int fd)
{
	struct pollfd waited = { fd, POLLIN, 0 };
	char byte;

	return poll(&waited, 1, START_TIME) > 0 && read(fd, &byte, 1) <= 0;
}

/* Is there no such process any more, nor a zombie of it? */
static bool is_gone(pid_t pid)
{
	uint64_t until = clock_ms() + START_TIME;

	while (kill(pid, 0) == 0 && clock_ms() < until)
		wait_ms(5);
	return kill(pid, 0) == -1 && errno == ESRCH;
}

static void commands_run(void)
{
	static const char *const commands[] = { "while read -r line; do echo \"<$line>\"; done",
		"echo second", NULL };
	struct opener opener;
	int first, second;

	start_with(&opener, commands);
	first = launch(&opener, 0);
	CHECK(fcntl(first, F_GETFL) & O_NONBLOCK);
	CHECK(fcntl(first, F_GETFD) & FD_CLOEXEC);
	CHECK(write(first, "one\ntwo\n", 8) == 8);
	CHECK(strcmp(read_text(first), "<one>") == 0);
	CHECK(strcmp(read_text(first), "<two>") == 0);
	second = launch(&opener, 1);
	CHECK(strcmp(read_text(second), "second") == 0);
	CHECK(has_ended(second));
	CHECK(opens(&opener, ONE, "the first"));
	CHECK(write(first, "three\n", 6) == 6);
	CHECK(strcmp(read_text(first), "<three>") == 0);
	close(first);
	close(second);
	opener_end(&opener);
	CHECK(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
}

static void no_others_run(void)
{
	struct opener opener;

	start_one(&opener, "echo hello");
	CHECK(opener_launched(&opener, 0) == -1 && errno == EINVAL);
	CHECK(opener_launch(&opener, 1));
	CHECK(launched(&opener, 1) == -1 && errno == EINVAL);
	CHECK(opener_launched(&opener, 1) == -1 && errno == EINVAL);
	CHECK(!opener_launch(&opener, OPENER_COMMANDS_MAX) && errno == EINVAL);
	CHECK(!opener_launch(&opener, SIZE_MAX) && errno == EINVAL);
	CHECK(opener_launched(&opener, SIZE_MAX) == -1 && errno == EINVAL);
	opener_stop(&opener, 1);
	opener_stop(&opener, SIZE_MAX);
	CHECK(opens(&opener, ONE, "the first"));
	opener_end(&opener);
	CHECK(opener_start(&opener, &names));
	CHECK(opener_launch(&opener, 0));
	CHECK(launched(&opener, 0) == -1 && errno == EINVAL);
	opener_end(&opener);
	CHECK(!opener_launch(&opener, 0) && errno == ESRCH);
	CHECK(opener_launched(&opener, 0) == -1 && errno == EINVAL);
}

/* Does the next line say this? */
static bool says(int fd, const char *wanted)
{
	const char *text = read_text(fd);

	if (strcmp(text, wanted) == 0)
		return true;
	printf("a command says `%s`, not `%s`\n", text, wanted);
	return false;
}

/* The C library keeps signals 32 and 33 for itself: whoever started the tests may ignore them. */
#define SIGNALS_KEPT 0x180000000u

/* Does the next line say that no signal is in this set? */
static bool says_none(int fd)
{
	const char *text = read_text(fd);

	if ((strtoull(text, NULL, 16) & ~(unsigned long long)SIGNALS_KEPT) == 0 && *text != '\0')
		return true;
	printf("a command has signals %s\n", text);
	return false;
}

/* Has a command only its own descriptors, default signals, a session? */
static bool begins_clean(int fd)
{
	char text[64];
	bool clean;

	snprintf(text, sizeof text, "%s", read_text(fd));
	snprintf(text + 32, sizeof text - 32, "%.15s %.15s", text, text);
	clean = says_none(fd) && says_none(fd);
	read_text(fd);                          /* the shell itself catches some */
	clean = clean && says(fd, text + 32);   /* process group and session */
	clean = clean && says(fd, "0") && says(fd, "1") && says(fd, "2") && says(fd, "end");
	return clean && is_gone((pid_t)atoi(text));
}

static void commands_begin_clean(void)
{
	struct sigaction ignored = { .sa_handler = SIG_IGN }, before;
	sigset_t all, mask;
	struct opener opener;
	int fd, other = open("/dev/null", O_RDONLY);

	if (access("/proc/self/status", R_OK) != 0) {
		printf("skipped, as there is no /proc: what a command begins with\n");
		return;
	}
	CHECK(sigaction(SIGUSR1, &ignored, &before) == 0);
	sigfillset(&all);
	CHECK(sigprocmask(SIG_BLOCK, &all, &mask) == 0);
	start_one(&opener, CHILD_PID "grep -E '^Sig(Blk|Ign|Cgt)' /proc/$$/status | cut -f 2;"
	    "cut -d ' ' -f 5,6 /proc/$$/stat; ls /proc/$$/fd; echo end");
	CHECK(sigprocmask(SIG_SETMASK, &mask, NULL) == 0);
	CHECK(sigaction(SIGUSR1, &before, NULL) == 0);
	fd = launch(&opener, 0);
	CHECK(begins_clean(fd));
	close(fd);
	close(other);
	opener_end(&opener);
}

/* What a command writes to standard error arrives there. */
static void errors_go_to_stderr(void)
{
	struct opener opener;
	int ends[2], before = dup(2), fd;

	CHECK(pipe(ends) == 0 && dup2(ends[1], 2) == 2);
	close(ends[1]);
	start_one(&opener, "echo an error >&2; /no-such-command-here");
	CHECK(dup2(before, 2) == 2);
	close(before);
	fd = launch(&opener, 0);
	CHECK(strcmp(read_text(ends[0]), "an error") == 0);
	CHECK(strstr(read_text(ends[0]), "not found") != NULL);
	CHECK(has_ended(fd));
	close(fd);
	opener_end(&opener);
	CHECK(has_ended(ends[0]));      /* nobody has it any more */
	close(ends[0]);
}

static void commands_become_the_user(void)
{
	struct opener_names with = names;
	struct opener opener;
	struct user user;
	char error[256], text[64];
	int fd;

	if (geteuid() != 0) {
		printf("skipped, as only root can: commands of another user\n");
		return;
	}
	CHECK(user_find("nobody", &user, error, sizeof error));
	with.commands[with.command_count++] = "id -u; id -g; id -G";
	with.user = &user;
	CHECK(opener_start(&opener, &with));
	fd = launch(&opener, 0);
	snprintf(text, sizeof text, "%u", (unsigned)user.id);
	CHECK(strcmp(read_text(fd), text) == 0);
	snprintf(text, sizeof text, "%u", (unsigned)user.group);
	CHECK(strcmp(read_text(fd), text) == 0);
	CHECK(strcmp(read_text(fd), text) == 0);
	CHECK(opens(&opener, ONE, "the first"));        /* it stays what it was itself */
	close(fd);
	opener_end(&opener);
}

/* One that cannot be become ends the command before it begins. */
static void commands_need_the_user(void)
{
	struct user user = { "nobody", getuid() + 1, getgid() };
	struct opener_names with = names;
	struct opener opener;
	int ends[2], before = dup(2), fd;

	if (geteuid() == 0)
		user.id = 0;
	with.commands[with.command_count++] = "echo ran";
	with.user = &user;
	CHECK(pipe(ends) == 0 && dup2(ends[1], 2) == 2);
	close(ends[1]);
	CHECK(opener_start(&opener, &with));
	CHECK(dup2(before, 2) == 2);
	close(before);
	fd = launch(&opener, 0);
	CHECK(has_ended(fd));
	CHECK(strstr(read_text(ends[0]), "root's rights were not given up") != NULL);
	close(fd);
	opener_end(&opener);
	close(ends[0]);
}

/* When a command has ended, nothing of it is left: no zombie, and nobody in its group. */
static void ended_commands_leave_nothing(void)
{
	struct opener opener;
	pid_t first, second;
	int fd;

	start_one(&opener, CHILD_PID "trap '' TERM; sleep 100 & echo $!; read -r line");
	fd = launch(&opener, 0);
	first = (pid_t)atoi(read_text(fd));
	second = (pid_t)atoi(read_text(fd));
	CHECK(first > 0 && second > 0 && kill(first, 0) == 0 && kill(second, 0) == 0);
	CHECK(write(fd, "\n", 1) == 1);
	CHECK(has_ended(fd));
	CHECK(is_gone(first));
	CHECK(is_gone(second));
	close(fd);
	opener_end(&opener);
}

static void commands_are_stopped(void)
{
	static const char *const commands[] = { CHILD_PID "exec sleep 100",
		"trap '' TERM; " CHILD_PID "while :; do sleep 1; done", NULL };
	struct opener opener;
	uint64_t began;
	pid_t pid;
	int fd;

	start_with(&opener, commands);
	fd = launch(&opener, 0);
	pid = (pid_t)atoi(read_text(fd));
	opener_stop(&opener, 0);
	CHECK(has_ended(fd));
	CHECK(is_gone(pid));
	close(fd);
	fd = launch(&opener, 1);
	pid = (pid_t)atoi(read_text(fd));
	began = clock_ms();
	opener_stop(&opener, 1);
	opener_stop(&opener, 1);
	wait_ms(OPENER_GRACE / 2);
	CHECK(kill(pid, 0) == 0 || clock_ms() - began >= OPENER_GRACE);
	CHECK(has_ended(fd));
	CHECK(clock_ms() - began >= OPENER_GRACE);
	CHECK(is_gone(pid));
	close(fd);
	opener_end(&opener);
}

/* There is one process of a command: the next one takes its place. */
static void launching_again_ends_the_one_before(void)
{
	struct opener opener;
	pid_t pid;
	int first, second;

	start_one(&opener, CHILD_PID "exec sleep 100");
	first = launch(&opener, 0);
	pid = (pid_t)atoi(read_text(first));
	second = launch(&opener, 0);
	CHECK(has_ended(first));
	CHECK(is_gone(pid));
	pid = (pid_t)atoi(read_text(second));
	CHECK(pid > 0 && kill(pid, 0) == 0);
	close(first);
	close(second);
	opener_end(&opener);
	CHECK(is_gone(pid));
}

/* So many that ignore SIGTERM at once are no more than there is room for. */
static void launches_are_bounded(void)
{
	int fds[40], i, refused = 0;
	struct opener opener;
	uint64_t began;

	start_one(&opener, "trap '' TERM; echo; while :; do sleep 1; done");
	began = clock_ms();
	for (i = 0; i < 40; i++) {
		CHECK(opener_launch(&opener, 0));
		fds[i] = launched(&opener, 0);
		if (fds[i] >= 0)
			read_text(fds[i]);
		else
			refused += errno == EAGAIN;
	}
	/* On a busy machine the first have been killed by then. */
	CHECK(refused > 0 || clock_ms() - began > OPENER_GRACE);
	for (i = 0; i < 40; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
	wait_ms(OPENER_GRACE + 200);
	i = launch(&opener, 0);
	close(i);
	opener_end(&opener);
}

/* An answer for a command that comes while a file is waited for is kept, and the other way. */
static void answers_cross(void)
{
	struct opener opener;
	int fd;

	start_one(&opener, "echo hello");
	CHECK(opener_launch(&opener, 0));
	CHECK(opens(&opener, TWO, "the second"));
	CHECK((fd = opener_launched(&opener, 0)) >= 0);
	CHECK(strcmp(read_text(fd), "hello") == 0);
	close(fd);
	CHECK(opener_launch(&opener, 0));
	CHECK(opener_launch(&opener, 0));
	CHECK(opens(&opener, ONE, "the first"));
	CHECK((fd = opener_launched(&opener, 0)) >= 0);
	CHECK(opener_launched(&opener, 0) == -1 && errno == EINVAL);
	close(fd);
	CHECK(kill(opener.pid, SIGSTOP) == 0);
	CHECK(opener_launch(&opener, 0));
	CHECK(opener_launched(&opener, 0) == -1 && errno == EINPROGRESS);
	CHECK(kill(opener.pid, SIGCONT) == 0);
	CHECK((fd = launched(&opener, 0)) >= 0);
	close(fd);
	opener_end(&opener);
}

/* One that does not answer does not make the program wait, however much it is asked. */
static void a_stopped_one_blocks_nobody(void)
{
	struct opener opener;
	uint64_t began;
	int i, full = 0;
	pid_t pid;

	start_one(&opener, "echo hello");
	pid = opener.pid;
	CHECK(kill(pid, SIGSTOP) == 0);
	began = clock_ms();
	for (i = 0; i < 5000; i++)
		full += !opener_launch(&opener, 0) && errno == ETIMEDOUT;
	CHECK(full > 0);
	CHECK(fails(&opener, ONE, ETIMEDOUT));
	CHECK(clock_ms() - began < START_TIME);
	CHECK(kill(pid, SIGKILL) == 0);
	opener_end(&opener);
	CHECK(is_gone(pid));
}

static void launches_fail(void)
{
	struct opener opener;
	siginfo_t info;
	int fd;

	call_fail(FORK, 1, EAGAIN);
	fault_of[FORK].after = 1;
	start_one(&opener, "echo hello");
	CHECK(opener_launch(&opener, 0));
	CHECK(launched(&opener, 0) == -1 && errno == EAGAIN);
	close(launch(&opener, 0));
	opener_end(&opener);
	call_fail(FORK, 0, 0);
	call_fail(SOCKETPAIR, 1, EMFILE);
	fault_of[SOCKETPAIR].after = 1;
	start_one(&opener, "echo hello");
	CHECK(opener_launch(&opener, 0));
	CHECK(launched(&opener, 0) == -1 && errno == EMFILE);
	opener_end(&opener);
	call_fail(SOCKETPAIR, 0, 0);
	start_one(&opener, "echo hello");
	CHECK(opener_launch(&opener, 0));
	CHECK(kill(opener.pid, SIGKILL) == 0);
	CHECK(waitid(P_PID, (id_t)opener.pid, &info, WEXITED | WNOWAIT) == 0);
	fd = opener_launched(&opener, 0);       /* it may have come to that */
	if (fd >= 0)
		close(fd);
	CHECK(!opener_launch(&opener, 0) && errno == ESRCH);
	opener_end(&opener);
}

/* Does a command that ends with its input, but not at once, come to its end? */
static bool comes_to_its_end(void)
{
	struct opener opener;
	char command[128];
	uint64_t began;
	bool ended;
	int fd;

	snprintf(command, sizeof command, "echo; cat >/dev/null; sleep 0.1; echo done >%s",
	    paths[OTHER]);
	start_one(&opener, command);
	fd = launch(&opener, 0);
	read_text(fd);
	close(fd);
	began = clock_ms();
	opener_end(&opener);
	ended = clock_ms() - began < OPENER_LEAVE && exists(OTHER);
	unlink(paths[OTHER]);
	return ended;
}

/* It is given the time for that; on a busy machine that may be too short. */
static void the_end_of_input_ends_commands(void)
{
	int tries = 1;

	while (!comes_to_its_end() && tries < 10)
		tries++;
	CHECK(tries < 10);
}

/* Those that are not told by it are ended, also if they ignore SIGTERM. */
static void the_end_ends_commands(void)
{
	static const char *const commands[] = { CHILD_PID "exec sleep 100",
		"trap '' TERM; " CHILD_PID "while :; do sleep 1; done", NULL };
	struct opener opener;
	pid_t first, second, third;
	uint64_t began;
	int fds[2];

	start_with(&opener, commands);
	fds[0] = launch(&opener, 0);
	fds[1] = launch(&opener, 1);
	first = (pid_t)atoi(read_text(fds[0]));
	second = (pid_t)atoi(read_text(fds[1]));
	third = opener.pid;
	close(fds[0]);
	close(fds[1]);
	began = clock_ms();
	opener_end(&opener);
	CHECK(clock_ms() - began >= OPENER_LEAVE + OPENER_GRACE);
	CHECK(is_gone(first) && is_gone(second));
	/* On a busy machine it may have been left before it had ended. */
	CHECK(waitpid(third, NULL, 0) == third || errno == ECHILD);
}

/* A program that is killed leaves none. */
static void a_kill_ends_commands(void)
{
	struct opener opener;
	pid_t pid, command;
	int ends[2], fd;

	CHECK(pipe(ends) == 0);
	pid = fork();
	if (pid == 0) {
		start_one(&opener, CHILD_PID "exec sleep 100");
		fd = launch(&opener, 0);
		command = (pid_t)atoi(read_text(fd));
		_exit(write(ends[1], &command, sizeof command) < 0 || pause());
	}
	close(ends[1]);
	CHECK(read(ends[0], &command, sizeof command) == (ssize_t)sizeof command);
	CHECK(command > 0 && kill(command, 0) == 0);
	CHECK(kill(pid, SIGKILL) == 0 && waitpid(pid, NULL, 0) == pid);
	CHECK(is_gone(command));
	close(ends[0]);
}

static void sockets_are_removed_when_asked(void)
{
	struct opener opener;

	CHECK(opener_start(&opener, &names));
	bind_socket(SOCKET);
	opener_note(&opener);
	opener_remove(&opener);
	CHECK(!exists(SOCKET));
	bind_socket(SOCKET);            /* a stranger's */
	opener_remove(&opener);
	opener_end(&opener);
	CHECK(exists(SOCKET));
	CHECK(unlink(paths[SOCKET]) == 0);
}

/* -- what is saved ------------------------------------------------------------------------ */

#define SAVE_MAX 100000

/* Start an opener that saves to the file `other` in a folder, NULL: the tests' own. */
static void start_saving(struct opener *opener, const char *where)
{
	struct opener_names with = names;

	with.folder = where != NULL ? where : folder;
	with.saved = "other";
	with.save_max = SAVE_MAX;
	CHECK(opener_start(opener, &with));
}

/* Wait for what becomes of a save. */
static int saved(struct opener *opener)
{
	uint64_t until = clock_ms() + START_TIME;
	int fault;

	do {
		fault = opener_saved(opener);
		if (fault != EINPROGRESS)
			return fault;
		wait_ms(2);
	} while (clock_ms() < until);
	return EINPROGRESS;
}

static int save_text(struct opener *opener, const char *text)
{
	CHECK(opener_saved(opener) == EINVAL);
	memcpy(opener_memory(opener), text, strlen(text));
	CHECK(opener_save(opener, strlen(text)));
	return saved(opener);
}

static bool other_holds(const char *text)
{
	size_t size = 0;
	char *content = file_read(file_open(paths[OTHER]), SAVE_MAX, &size);
	bool same = content != NULL && strlen(text) == size && memcmp(content, text, size) == 0;

	free(content);
	return same;
}

/* Was memory given back? Asked of the kernel, which only looks. */
static bool is_unmapped(const void *memory)
{
	int ends[2];
	bool gone;

	CHECK(pipe(ends) == 0);
	gone = write(ends[1], memory, 1) == -1 && errno == EFAULT;
	close(ends[0]);
	close(ends[1]);
	return gone;
}

static void state_is_saved(void)
{
	struct opener opener;
	int before = dup(0), after;
	uint8_t *memory;

	close(before);
	start_saving(&opener, NULL);
	CHECK(save_text(&opener, "the first") == 0);
	CHECK(other_holds("the first"));
	CHECK(save_text(&opener, "the second, which is longer") == 0);
	CHECK(other_holds("the second, which is longer"));
	CHECK(save_text(&opener, "third") == 0);
	CHECK(other_holds("third"));
	CHECK(opens(&opener, ONE, "the first"));
	memory = opener_memory(&opener);
	memset(memory, 'x', SAVE_MAX);
	CHECK(opener_save(&opener, SAVE_MAX));
	CHECK(!opener_save(&opener, 1) && errno == EBUSY);
	CHECK(saved(&opener) == 0);
	CHECK(unlink(paths[OTHER]) == 0);
	opener_end(&opener);
	CHECK(opener_memory(&opener) == NULL);
	CHECK(is_unmapped(memory));
	CHECK(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
	after = dup(0);
	CHECK(after == before);
	close(after);
}

static void nothing_else_is_saved(void)
{
	struct opener opener;
	uint32_t request[3] = { 4, SAVE_MAX + 1, 1000 };

	start_saving(&opener, NULL);
	CHECK(!opener_save(&opener, SAVE_MAX + 1) && errno == EINVAL);
	CHECK(!opener_save(&opener, SIZE_MAX) && errno == EINVAL);
	CHECK(opener_saved(&opener) == EINVAL);
	/* As who has taken the program over would ask. */
	CHECK(send(opener.fd, request, sizeof request, 0) == (ssize_t)sizeof request);
	request[1] = UINT32_MAX;
	CHECK(send(opener.fd, request, sizeof request, 0) == (ssize_t)sizeof request);
	CHECK(opens(&opener, ONE, "the first"));
	wait_ms(100);
	CHECK(!exists(OTHER));
	opener_end(&opener);
	CHECK(opener_start(&opener, &names));
	CHECK(opener_memory(&opener) == NULL);
	CHECK(!opener_save(&opener, 0) && errno == EINVAL);
	request[1] = 0;
	CHECK(send(opener.fd, request, sizeof request, 0) == (ssize_t)sizeof request);
	CHECK(opens(&opener, ONE, "the first"));
	CHECK(!exists(OTHER));
	opener_end(&opener);
	opener = OPENER_NONE;
	CHECK(!opener_save(&opener, 0) && errno == EINVAL);
	CHECK(opener_saved(&opener) == EINVAL);
}

/* Read the file until the pipe ends; a byte says whether all that was read was whole. */
static _Noreturn void reader_run(int go_on, int verdict)
{
	struct pollfd end = { go_on, POLLIN, 0 };
	size_t size, i;
	int reads = 0;

	while (poll(&end, 1, 0) == 0) {
		char *content = file_read(file_open(paths[OTHER]), SAVE_MAX, &size);

		for (i = 1; content != NULL && i < size && content[i] == content[0]; i++)
			continue;
		if (content == NULL || i != size || size != (size_t)content[0] * 500)
			_exit(write(verdict, "n", 1) < 0);
		free(content);
		reads++;
	}
	_exit(write(verdict, reads > 50 ? "y" : "f", 1) < 0);
}

/* Whoever reads the file finds one that is whole, at any moment. */
static void saves_are_whole(void)
{
	uint64_t until = clock_ms() + 500;
	int end[2], verdict[2], turn;
	struct opener opener;
	char byte = 'x';
	pid_t pid;

	start_saving(&opener, NULL);
	memset(opener_memory(&opener), 100, SAVE_MAX);
	CHECK(opener_save(&opener, 50000) && saved(&opener) == 0);
	CHECK(pipe(end) == 0 && pipe(verdict) == 0);
	pid = fork();
	if (pid == 0) {
		close(end[1]);
		reader_run(end[0], verdict[1]);
	}
	for (turn = 0; clock_ms() < until || turn < 20; turn++) {
		memset(opener_memory(&opener), 1 + turn % 120, SAVE_MAX);
		CHECK(opener_save(&opener, (size_t)(1 + turn % 120) * 500));
		CHECK(saved(&opener) == 0);
	}
	close(end[1]);
	CHECK(read(verdict[0], &byte, 1) == 1 && byte != 'n');
	CHECK(byte == 'y' || clock_ms() > until + 1000);        /* or too busy a machine */
	CHECK(waitpid(pid, NULL, 0) == pid);
	close(end[0]);
	close(verdict[0]);
	close(verdict[1]);
	CHECK(unlink(paths[OTHER]) == 0);
	opener_end(&opener);
}

/* A link where the file is to be is replaced, and one where the new one is made not followed. */
static void saves_follow_no_link(void)
{
	char fresh[80];
	struct opener opener;
	struct stat status;

	snprintf(fresh, sizeof fresh, "%s.new", paths[OTHER]);
	start_saving(&opener, NULL);
	CHECK(symlink(paths[ONE], fresh) == 0 && symlink(paths[TWO], paths[OTHER]) == 0);
	CHECK(save_text(&opener, "saved") == 0);
	CHECK(lstat(paths[OTHER], &status) == 0 && S_ISREG(status.st_mode));
	CHECK(lstat(fresh, &status) == -1 && errno == ENOENT);
	CHECK(other_holds("saved"));
	CHECK(opens(&opener, ONE, "the first") && opens(&opener, TWO, "the second"));
	CHECK(unlink(paths[OTHER]) == 0);
	opener_end(&opener);
}

/* A save that fails says why, and the next one is another. */
static void saves_fail(void)
{
	struct opener opener;
	char where[80];

	snprintf(where, sizeof where, "%s/none", folder);
	start_saving(&opener, where);
	CHECK(save_text(&opener, "nowhere") == ENOENT);
	CHECK(mkdir(where, 0755) == 0);
	CHECK(save_text(&opener, "somewhere") == 0);
	snprintf(where, sizeof where, "%s/none/other", folder);
	CHECK(unlink(where) == 0);
	snprintf(where, sizeof where, "%s/none", folder);
	CHECK(rmdir(where) == 0);
	CHECK(save_text(&opener, "nowhere") == ENOENT);
	opener_end(&opener);
	call_fail(FORK, 1, EAGAIN);
	fault_of[FORK].after = 1;
	start_saving(&opener, NULL);
	CHECK(save_text(&opener, "nobody saves it") == EAGAIN);
	CHECK(save_text(&opener, "again") == 0);
	CHECK(unlink(paths[OTHER]) == 0);
	opener_end(&opener);
	call_fail(FORK, 0, 0);
	call_fail(MMAP, 1, ENOMEM);
	names.folder = names.saved = folder;
	names.save_max = 1;
	CHECK(!opener_start(&opener, &names) && errno == ENOMEM);
	CHECK(opener.fd == -1 && opener.pid == 0 && opener_memory(&opener) == NULL);
	call_fail(FORK, 1, EAGAIN);
	CHECK(!opener_start(&opener, &names) && errno == EAGAIN);
	CHECK(opener_memory(&opener) == NULL);
	names.folder = names.saved = NULL;
}

/* A limit on the size of files is an error, not the end of whoever meets it. */
static void saves_meet_limits(void)
{
	struct rlimit before, none;
	struct opener opener;

	CHECK(getrlimit(RLIMIT_FSIZE, &before) == 0);
	none = before;
	none.rlim_cur = 4;
	CHECK(setrlimit(RLIMIT_FSIZE, &none) == 0);
	start_saving(&opener, NULL);
	CHECK(setrlimit(RLIMIT_FSIZE, &before) == 0);
	write_file(OTHER, "before");
	CHECK(save_text(&opener, "too long") == EFBIG);
	CHECK(other_holds("before"));
	CHECK(save_text(&opener, "it") == 0);
	CHECK(other_holds("it"));
	CHECK(unlink(paths[OTHER]) == 0);
	opener_end(&opener);
}

/* The opener does not answer, or ends, meanwhile. */
static void savers_end(void)
{
	struct opener opener;

	start_saving(&opener, NULL);
	CHECK(save_text(&opener, "before") == 0);
	CHECK(kill(opener.pid, SIGSTOP) == 0);
	CHECK(opener_save(&opener, 3));
	CHECK(opener_saved(&opener) == EINPROGRESS && opener_saved(&opener) == EINPROGRESS);
	CHECK(fails(&opener, ONE, ETIMEDOUT));
	CHECK(opener_saved(&opener) == EINPROGRESS);
	CHECK(kill(opener.pid, SIGCONT) == 0);
	CHECK(saved(&opener) == 0 && other_holds("bef"));
	CHECK(opens(&opener, ONE, "the first"));
	CHECK(kill(opener.pid, SIGSTOP) == 0);
	CHECK(opener_save(&opener, 2));
	CHECK(kill(opener.pid, SIGKILL) == 0);
	CHECK(saved(&opener) == ESRCH);
	CHECK(opener_saved(&opener) == EINVAL);
	CHECK(!opener_save(&opener, 2) && errno == ESRCH);
	CHECK(other_holds("bef"));
	CHECK(unlink(paths[OTHER]) == 0);
	opener_end(&opener);
}

/* An answer for a save that comes while a file is waited for is kept, and those of commands. */
static void saves_cross_others(void)
{
	struct opener_names with = names;
	struct opener opener;
	int fd, tries;

	with.folder = folder;
	with.saved = "other";
	with.save_max = SAVE_MAX;
	with.commands[with.command_count++] = "echo hello";
	CHECK(opener_start(&opener, &with));
	for (tries = 0; tries < 20; tries++) {
		CHECK(opener_save(&opener, 10));
		CHECK(opener_launch(&opener, 0));
		CHECK(opens(&opener, ONE, "the first"));
		CHECK((fd = launched(&opener, 0)) >= 0);
		CHECK(opens(&opener, TWO, "the second"));
		CHECK(saved(&opener) == 0);
		close(fd);
	}
	CHECK(unlink(paths[OTHER]) == 0);
	opener_end(&opener);
}

/* Does nobody wait for a disk: neither who asks for something else, nor the end? A save that was
 * begun comes to its end without program and opener. */
static bool nobody_waits(void)
{
	struct opener opener;
	uint64_t began, ended;

	disk_time = 600;
	start_saving(&opener, NULL);
	disk_time = 0;
	memset(opener_memory(&opener), 'x', SAVE_MAX);
	began = clock_ms();
	CHECK(opener_save(&opener, SAVE_MAX));
	CHECK(opens(&opener, ONE, "the first"));
	CHECK(opener_saved(&opener) == EINPROGRESS || clock_ms() - began > 500);
	opener_end(&opener);
	ended = clock_ms();
	while (!exists(OTHER) && clock_ms() < began + START_TIME)
		wait_ms(2);
	CHECK(clock_ms() - began >= 600);
	CHECK(unlink(paths[OTHER]) == 0);
	return ended - began < 500;
}

/* On a busy machine that may look as if. */
static void a_slow_disk_delays_nobody(void)
{
	int tries = 1;

	while (!nobody_waits() && tries < 10)
		tries++;
	CHECK(tries < 10);
}

static void savers_are_killed(void)
{
	struct opener opener;
	char fresh[80];

	snprintf(fresh, sizeof fresh, "%s.new", paths[OTHER]);
	write_file(OTHER, "before");
	disk_time = -1;
	start_saving(&opener, NULL);
	disk_time = 0;
	CHECK(save_text(&opener, "it is not saved") == EINTR);
	CHECK(save_text(&opener, "nor is this") == EINTR);
	CHECK(other_holds("before"));
	CHECK(opens(&opener, ONE, "the first"));
	opener_end(&opener);
	CHECK(unlink(fresh) == 0 && unlink(paths[OTHER]) == 0);
	CHECK(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
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
	RUN(sockets_are_removed_when_asked);
	RUN(commands_run);
	RUN(no_others_run);
	RUN(commands_begin_clean);
	RUN(errors_go_to_stderr);
	RUN(commands_become_the_user);
	RUN(commands_need_the_user);
	RUN(ended_commands_leave_nothing);
	RUN(commands_are_stopped);
	RUN(launching_again_ends_the_one_before);
	RUN(launches_are_bounded);
	RUN(answers_cross);
	RUN(a_stopped_one_blocks_nobody);
	RUN(launches_fail);
	RUN(the_end_of_input_ends_commands);
	RUN(the_end_ends_commands);
	RUN(a_kill_ends_commands);
	RUN(state_is_saved);
	RUN(nothing_else_is_saved);
	RUN(saves_are_whole);
	RUN(saves_follow_no_link);
	RUN(saves_fail);
	RUN(saves_meet_limits);
	RUN(savers_end);
	RUN(saves_cross_others);
	RUN(a_slow_disk_delays_nobody);
	RUN(savers_are_killed);
	clear_names();
	return test_end();
}
