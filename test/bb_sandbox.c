/* bb_sandbox.c - what the program gives up after its start, and the process that opens files for
 * it. */
#define _GNU_SOURCE
#include "harness.h"

#include <dirent.h>
#include <errno.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#if defined __linux__ && defined __x86_64__
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#endif

/* --- processes --- */

/* The line of /proc/PID/status with this name, without it; the test is skipped where there is
 * none. */
static char *process_status(pid_t pid, const char *name)
{
	char path[64], line[256];
	FILE *file;
	size_t start = strlen(name);

	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	file = fopen(path, "r");
	if (file == NULL)
		test_skip("no /proc");
	while (fgets(line, sizeof(line), file) != NULL)
		if (strncmp(line, name, start) == 0 && line[start] == ':') {
			(void)fclose(file);
			line[strcspn(line, "\n")] = '\0';
			return strdup(line + start + 1 + strspn(line + start + 1, " \t"));
		}
	(void)fclose(file);
	return strdup("");
}

static long process_number(pid_t pid, const char *name)
{
	return strtol(process_status(pid, name), NULL, 10);
}

/* The only child of a process; 0: it has none. */
static pid_t process_child(pid_t parent)
{
	DIR *folder = opendir("/proc");
	struct dirent *entry;
	pid_t child = 0, pid, of;
	char path[300];
	FILE *file;

	if (folder == NULL)
		test_skip("no /proc");
	while ((entry = readdir(folder)) != NULL) {
		(void)snprintf(path, sizeof(path), "/proc/%s/stat", entry->d_name);
		file = entry->d_name[0] >= '1' && entry->d_name[0] <= '9' ? fopen(path, "r") : NULL;
		if (file == NULL)
			continue;
		if (fscanf(file, "%d (%*[^)]) %*c %d", &pid, &of) == 2 && of == parent) {
			CHECK_NUMBER(child, 0);
			child = pid;
		}
		(void)fclose(file);
	}
	(void)closedir(folder);
	return child;
}

static bool process_lives(pid_t pid)
{
	return kill(pid, 0) == 0;
}

static void need_sandbox(void)
{
	if (strstr(program_run(OPTIONS("--version")).out, "seccomp") == NULL)
		test_skip("no seccomp");
}

static void need_root(void)
{
	if (geteuid() != 0 || getpwnam("nobody") == NULL)
		test_skip("this is not root's");
}

static void need_files(const char *path, bool there)
{
	struct stat status;
	double until = time_now() + 2;

	while ((lstat(path, &status) == 0) != there) {
		if (time_now() >= until)
			check_failed(__FILE__, __LINE__, "%s is %sthere", path,
			    there ? "not " : "");
		time_wait(0.01);
	}
}

static void reload(struct server *server)
{
	char *line;

	CHECK(kill(server->pid, SIGHUP) == 0);
	while ((line = server_line(server, 3)) != NULL)
		if (strcmp(line, "certificates reloaded") == 0)
			return;
	check_failed(__FILE__, __LINE__, "not reloaded");
}

/* The next line of stderr after a reload. */
static char *reload_refused(struct server *server)
{
	static const char start[] = "uwt: not reloaded, the certificates before stay in force: ";
	char *line;

	CHECK(kill(server->pid, SIGHUP) == 0);
	line = server_error(server);
	CHECK(strncmp(line, start, sizeof(start) - 1) == 0);
	return line + sizeof(start) - 1;
}

static void serves(struct server *server)
{
	struct id hash = id_hash();
	struct client *client = client_open(server);

	client_announce(client, hash, id_peer(), "");
	REPLY(client, 0, 1, hash);
	client_close(client);
}

/* --- the sandbox --- */

static void sandbox_is_on(void)
{
	struct server *server;

	need_sandbox();
	server = server_start(NULL);
	CHECK_NUMBER(process_number(server->pid, "Seccomp"), 2);
	CHECK_NUMBER(process_number(server->pid, "NoNewPrivs"), 1);
	serves(server);
	/* With nothing to open or remove there is nobody who would. */
	if (!test_is_tls())
		CHECK_NUMBER(process_child(server->pid), 0);
}

static void sandbox_is_off(void)
{
	char *path = test_path("socket");
	struct server *server = server_start(OPTIONS("--no-sandbox", "-H",
	    format_text("unix:%s", path)));

	CHECK_NUMBER(process_number(server->pid, "Seccomp"), process_number(getpid(), "Seccomp"));
	CHECK_NUMBER(process_number(server->pid, "NoNewPrivs"),
	    process_number(getpid(), "NoNewPrivs"));
	CHECK_NUMBER(process_child(server->pid), 0);
	serves(server);
	server_end(server);
	need_files(path, false);
}

#if defined __linux__ && defined __x86_64__
/* A system call, as who has taken the program over would make it. */
struct attempt {
	const char *name;
	unsigned long number, arguments[4];
	long want;
};

static long attempt_make(pid_t pid, const struct user_regs_struct *before,
    const struct attempt *attempt)
{
	struct user_regs_struct registers = *before;
	int status;

	registers.rax = attempt->number;
	registers.orig_rax = (unsigned long)-1;
	registers.rdi = attempt->arguments[0];
	registers.rsi = attempt->arguments[1];
	registers.rdx = attempt->arguments[2];
	registers.r10 = attempt->arguments[3];
	registers.rip = before->rip - 2;       /* the instruction that it waits in */
	CHECK(ptrace(PTRACE_SETREGS, pid, NULL, &registers) == 0);
	CHECK(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) == 0);
	CHECK(waitpid(pid, &status, 0) == pid && WIFSTOPPED(status));
	CHECK(ptrace(PTRACE_GETREGS, pid, NULL, &registers) == 0);
	return (long)registers.rax;
}

static void attempts_make(pid_t pid, const struct attempt *attempts, size_t count)
{
	struct user_regs_struct before;
	size_t i;
	int status;

	if (ptrace(PTRACE_ATTACH, pid, NULL, NULL) != 0)
		test_skip("processes cannot be traced here");
	CHECK(waitpid(pid, &status, 0) == pid && WIFSTOPPED(status));
	CHECK(ptrace(PTRACE_GETREGS, pid, NULL, &before) == 0);
	CHECK((ptrace(PTRACE_PEEKTEXT, pid, (void *)(before.rip - 2), NULL) & 0xffff) == 0x050f);
	for (i = 0; i < count; i++) {
		test_case("%s", attempts[i].name);
		CHECK_NUMBER(attempt_make(pid, &before, &attempts[i]), attempts[i].want);
	}
	CHECK(ptrace(PTRACE_SETREGS, pid, NULL, &before) == 0);
	CHECK(ptrace(PTRACE_DETACH, pid, NULL, NULL) == 0);
}

#define NOWHERE { 0 }
#define NO_FD (unsigned long)-1

/* Without the sandbox none of those gives EPERM, even to who has no rights at all. */
static const struct attempt attempts[] = {
	{ "clock_gettime", SYS_clock_gettime, { 1, 1 }, -EFAULT },
	{ "recvfrom", SYS_recvfrom, { NO_FD }, -EBADF },
	{ "getrandom", SYS_getrandom, NOWHERE, 0 },
	{ "mprotect", SYS_mprotect, { 0, 0, 1 }, 0 },
	{ "mprotect executable", SYS_mprotect, { 0, 0, 4 }, -EPERM },
	{ "mmap executable", SYS_mmap, { 0, 4096, 5, 0x22 }, -EPERM },
	{ "execve", SYS_execve, NOWHERE, -EPERM },
	{ "execveat", SYS_execveat, { NO_FD }, -EPERM },
	{ "open", SYS_open, NOWHERE, -EPERM },
	{ "openat", SYS_openat, { NO_FD }, -EPERM },
	{ "openat2", 437, { NO_FD }, -EPERM },
	{ "unlink", SYS_unlink, NOWHERE, -EPERM },
	{ "socket", SYS_socket, { 2, 1 }, -EPERM },
	{ "socketpair", SYS_socketpair, { 1, 1 }, -EPERM },
	{ "connect", SYS_connect, { NO_FD }, -EPERM },
	{ "bind", SYS_bind, { NO_FD }, -EPERM },
	{ "ptrace", SYS_ptrace, { 16 }, -EPERM },
	{ "process_vm_readv", SYS_process_vm_readv, { 1 }, -EPERM },
	{ "kill", SYS_kill, NOWHERE, -EPERM },
	{ "tgkill", SYS_tgkill, { NO_FD }, -EPERM },
	{ "prctl", SYS_prctl, { 3 }, -EPERM },
	{ "seccomp", SYS_seccomp, { 99 }, -EPERM },
	{ "setuid", SYS_setuid, { NO_FD }, -EPERM },
	{ "chroot", SYS_chroot, NOWHERE, -EPERM },
	{ "io_uring_setup", 425, NOWHERE, -EPERM },
	{ "bpf", SYS_bpf, { 99 }, -EPERM },
	{ "x32's getpid", 0x40000000 | SYS_getpid, NOWHERE, -EPERM },
	{ "vfork", SYS_vfork, NOWHERE, -EPERM },
	{ "clone3", 435, NOWHERE, -EPERM },
	{ "clone", SYS_clone, NOWHERE, -EPERM },
	{ "fork", SYS_fork, NOWHERE, -EPERM }
};

/* Is this a program of this kind of machine, and not of 32 bits, whose calls are others? */
static bool process_is_64(pid_t pid)
{
	char path[64];
	unsigned char head[5] = { 0 };
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
	file = fopen(path, "rb");
	CHECK(file != NULL && fread(head, 1, sizeof(head), file) == sizeof(head));
	(void)fclose(file);
	return head[4] == 2;
}

/* With 32 bits test_sandbox.c has to do. */
static void sandbox_denies(void)
{
	struct server *server;

	need_sandbox();
	server = server_start(NULL);
	if (!process_is_64(server->pid))
		return;
	serves(server);
	server_settle(server);
	attempts_make(server->pid, attempts, sizeof(attempts) / sizeof(attempts[0]));
	serves(server);
	attempts_make(server->pid, attempts, 1);
	serves(server);
}
#endif

/* --- the opener --- */

static void sandbox_opener_ends(void)
{
	static const int numbers[] = { SIGTERM, SIGINT, SIGKILL };
	struct server *server;
	char *path;
	pid_t opener;
	size_t i;

	need_sandbox();
	for (i = 0; i < 3; i++) {
		test_case("signal %d", numbers[i]);
		path = test_path(format_text("socket%zu", i));
		server = server_start(OPTIONS("-H", format_text("unix:%s", path)));
		opener = process_child(server->pid);
		CHECK(opener > 0);
		serves(server);
		if (numbers[i] != SIGKILL)      /* as a terminal does */
			CHECK(kill(opener, numbers[i]) == 0);
		CHECK(kill(server->pid, numbers[i]) == 0);
		CHECK(server_wait(server, 2, true));
		if (numbers[i] != SIGKILL)
			CHECK(!process_lives(opener));
		server->status = 0;
		need_files(path, false);
		CHECK_TEXT(server->errors.bytes, "");
	}
}

/* Of one that took the place of a socket's file, the file stays. */
static void sandbox_socket_of_another(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char *path = test_path("socket");
	struct server *server = server_start(OPTIONS("-H", format_text("unix:%s", path)));
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	need_sandbox();
	server_settle(server);
	CHECK(unlink(path) == 0);
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	time_wait(0.02);
	CHECK(bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	CHECK(kill(server->pid, SIGTERM) == 0);
	CHECK(server_wait(server, 2, true));
	need_files(path, true);
	(void)close(fd);
}

static void sandbox_opener_gone(void)
{
	char *certificate = pem_certificate("ec");
	struct server *server = server_start(OPTIONS("--cert", certificate, "--key",
	    pem_key("ec")));
	pid_t opener = process_child(server->pid);

	need_sandbox();
	CHECK(opener > 0);
	reload(server);
	CHECK(kill(opener, SIGKILL) == 0);
	CHECK_TEXT(reload_refused(server),
	    format_text("%s: the process that opens files has ended", certificate));
	CHECK_TEXT(reload_refused(server),
	    format_text("%s: the process that opens files has ended", certificate));
	server->descriptors--;          /* the socket to it */
	serves(server);
}

/* The tracker does not wait for one that does not answer, and takes nothing late for an answer. */
static void sandbox_opener_stopped(void)
{
	char *certificate = pem_certificate("ec");
	struct server *server = server_start(OPTIONS("--cert", certificate, "--key",
	    pem_key("ec")));
	pid_t opener = process_child(server->pid);
	struct client *client = client_open(server);
	struct id hash = id_hash();

	need_sandbox();
	CHECK(kill(opener, SIGSTOP) == 0);
	CHECK_CONTAINS(reload_refused(server), "timed out");
	client_announce(client, hash, id_peer(), "");
	REPLY(client, 0, 1, hash);
	CHECK(kill(opener, SIGCONT) == 0);
	reload(server);
	client_announce(client, id_hash(), id_peer(), "");
	(void)HEAR(client);
}

/* --- --user --- */

/* Leaks are looked for by tracing oneself, which such a process must not. */
#define NO_LEAK_CHECK "ASAN_OPTIONS=detect_leaks=0; export ASAN_OPTIONS"

static void check_nobody(pid_t pid)
{
	const struct passwd *nobody = getpwnam("nobody");
	long user = (long)nobody->pw_uid, group = (long)nobody->pw_gid;

	CHECK_TEXT(process_status(pid, "Uid"), format_text("%ld\t%ld\t%ld\t%ld", user, user, user,
	    user));
	CHECK_TEXT(process_status(pid, "Gid"), format_text("%ld\t%ld\t%ld\t%ld", group, group,
	    group, group));
	CHECK_NUMBER(process_number(pid, "Groups"), group);
	CHECK(strspn(process_status(pid, "CapPrm"), "0") == 16);
	CHECK(strspn(process_status(pid, "CapEff"), "0") == 16);
}

static void user_is_nobody(void)
{
	char *path = test_path("socket");
	struct server *server;
	struct stat status;

	need_root();
	server = server_start_under(NO_LEAK_CHECK "; umask 007", OPTIONS("--user", "nobody", "-H",
	    format_text("unix:%s", path)));
	check_nobody(server->pid);
	CHECK(stat(path, &status) == 0);
	CHECK_NUMBER(status.st_uid, 0);
	CHECK_NUMBER(status.st_gid, getpwnam("nobody")->pw_gid);
	CHECK_NUMBER(status.st_mode & 0777, 0770);
	serves(server);
	server_end(server);
	need_files(path, false);
}

/* A key of root's is read at start and again after it was replaced, though the program cannot. */
static void user_key(void)
{
	char *certificate = test_path("live.pem"), *key = test_path("live.key");
	struct server *server;
	pid_t opener;

	need_root();
	CHECK(rename(pem_certificate("ec"), certificate) == 0);
	CHECK(rename(pem_key("ec"), key) == 0);
	CHECK(chmod(key, 0600) == 0);
	server = server_start_under(NO_LEAK_CHECK, OPTIONS("--user", "nobody", "--cert",
	    certificate, "--key", key));
	check_nobody(server->pid);
	opener = process_child(server->pid);
	CHECK_NUMBER(process_number(opener, "Uid"), 0);
	CHECK_NUMBER(process_number(opener, "Threads"), 1);
	CHECK(rename(pem_certificate("renewed"), certificate) == 0);
	CHECK(rename(pem_key("renewed"), key) == 0);
	CHECK(chmod(key, 0600) == 0);
	reload(server);
	CHECK(unlink(key) == 0);
	CHECK_TEXT(reload_refused(server), format_text("%s: No such file or directory", key));
	serves(server);
	server_end(server);
	CHECK(!process_lives(opener));
}

static void user_key_shown(void)
{
	char *certificate = test_path("live.pem"), *key = test_path("live.key");
	struct server *server;
	struct client *client;

	need_root();
	CHECK(rename(pem_certificate("ec"), certificate) == 0);
	CHECK(rename(pem_key("ec"), key) == 0);
	server = server_start_under(NO_LEAK_CHECK, OPTIONS("--user", "nobody", "--cert",
	    certificate, "--key", key));
	CHECK(rename(pem_certificate("renewed"), certificate) == 0);
	CHECK(rename(pem_key("renewed"), key) == 0);
	CHECK(chmod(key, 0600) == 0);
	reload(server);
	client = client_connect(server);
	client_secure(client, "localhost", false);
	CHECK(client_agree(client, 5));
	CHECK(client_is_shown(client, "test-renewed"));
}

static void user_refused(void)
{
	static const struct {
		const char *name, *says;
	} cases[] = {
		{ "no-such-user-here", "no such user" },
		{ "root", "has the rights that are to be given up" },
		{ "0", "no such user" }, { "", "needs a value" }
	};
	struct outcome outcome;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		test_case("--user `%s`", cases[i].name);
		outcome = program_run(OPTIONS("-p", "0", "--user", cases[i].name));
		CHECK_NUMBER(outcome.status, 2);
		CHECK_TEXT(outcome.out, "");
		CHECK_TEXT(outcome.err, format_text("uwt: --user%s%s: %s\n",
		    cases[i].name[0] != '\0' ? " " : "", cases[i].name, cases[i].says));
	}
	outcome = program_run(OPTIONS("-p", "0", "-s", "--user", "no-such-user-here"));
	CHECK_NUMBER(outcome.status, 2);
	CHECK_CONTAINS(outcome.err, "no such user");
}

/* --- descriptors 0 to 2 --- */

/* Where they are closed at start, no connection takes their place, nor is it printed to. */
static void standard_closed(void)
{
	char *port = format_text("%d", port_free()), path[64], *target;
	struct server *server = server_start_under("exec 0<&- 2>&-", OPTIONS("-q", "-p", port));
	int fd;

	if (server_descriptors(server) < 0)
		test_skip("no /proc");
	for (fd = 0; fd < 3; fd += 2) {
		target = calloc(1, 300);
		(void)snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)server->pid, fd);
		CHECK(readlink(path, target, 299) > 0);
		CHECK_TEXT(target, "/dev/null");
	}
	serves(server);
}

const struct bb_test bb_sandbox[] = {
	TEST(sandbox_is_on, FITS | SANDBOX, 0), TEST(sandbox_is_off, FITS, 0),
#if defined __linux__ && defined __x86_64__
	TEST(sandbox_denies, FITS | SANDBOX, 0),
#endif
	TEST(sandbox_opener_ends, FITS | SANDBOX, 0),
	TEST(sandbox_socket_of_another, FITS | SANDBOX, 0),
	TEST(sandbox_opener_gone, TLS | FITS | SANDBOX, 0),
	TEST(sandbox_opener_stopped, TLS | FITS | SANDBOX, 0),
	TEST(user_is_nobody, FITS, 0), TEST(user_key, TLS | FITS, 0),
	TEST(user_key_shown, TLS | FITS, 0), TEST(user_refused, FITS, 0),
	TEST(standard_closed, FITS, 0), TESTS_END
};
