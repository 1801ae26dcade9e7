/* opener.c - see opener.h */
#include "opener.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "file.h"
#include "save.h"
#include "user.h"

#define DESCRIPTORS_MAX 65536   /* more than anybody leaves open to a program */
#define PROCESSES_MAX (4 * OPENER_COMMANDS_MAX)    /* those that are being ended too */
#define LAST_WAIT 100           /* ms for what SIGKILL ends */

/* The last has no answer. */
enum kind { OPEN_FILE, NOTE_SOCKETS, REMOVE_SOCKETS, LAUNCH_COMMAND, SAVE_STATE, STOP_COMMAND };

struct request {
	uint32_t kind;
	uint32_t value;         /* the place of a file or command among the names; bytes to save */
	uint32_t number;        /* of the request; its answer has the same */
};

struct answer {
	uint32_t number;
	int32_t fault;          /* errno; 0: a descriptor comes with it */
};

/* A descriptor on its way. */
union control {
	struct cmsghdr head;
	char room[CMSG_SPACE(sizeof(int))];
};

/* -- the opener ----------------------------------------------------------------------------- */

/* A socket's file, as it was when it had been made. */
struct made {
	bool known;
	dev_t device;
	ino_t number;
	struct timespec since;  /* numbers are used again */
};

/* A command's, with its process group. */
struct process {
	pid_t pid;              /* 0: there is none */
	size_t command;
	uint64_t due;           /* ms: then it gets `next`; UINT64_MAX: never */
	int next;               /* a signal */
};

/* The process that saves. */
struct saver {
	pid_t pid;              /* 0: there is none */
	uint32_t number;        /* of the request */
};

struct keeper {
	const struct opener_names *names;
	const void *memory;     /* of what is saved */
	struct saver saver;
	struct made made[OPENER_NAMES_MAX];
	bool noted;             /* those are known: never again, as somebody else's could be there */
	struct process processes[PROCESSES_MAX];
	sigset_t waiting;       /* the mask while it waits: SIGCHLD comes then alone */
};

static void on_child(int number)
{
	(void)number;
}

/* By SIGXFSZ a limit on the size of files would end who saves; ignored, it is an error. */
static void set_signals(struct keeper *keeper)
{
	static const int numbers[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGXFSZ };
	struct sigaction action = { .sa_handler = SIG_IGN };
	sigset_t child;
	size_t i;

	sigemptyset(&action.sa_mask);
	for (i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
		sigaction(numbers[i], &action, NULL);
	action.sa_handler = on_child;
	sigaction(SIGCHLD, &action, NULL);
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, &keeper->waiting);
	sigdelset(&keeper->waiting, SIGCHLD);
}

/* Keep the socket alone, as descriptor 0, and what commands write errors to. */
static void close_others(int fd, bool errors)
{
	long most = sysconf(_SC_OPEN_MAX);
	int other;

	if (most < 0 || most > DESCRIPTORS_MAX)
		most = DESCRIPTORS_MAX;
	dup2(fd, 0);
	for (other = 1; other < most; other++) {
		if (other != STDERR_FILENO || !errors)
			close(other);
	}
}

static bool socket_find(const char *path, struct made *made)
{
	struct stat status;

	*made = (struct made){ .known = lstat(path, &status) == 0 && S_ISSOCK(status.st_mode) };
	if (made->known) {
		made->device = status.st_dev;
		made->number = status.st_ino;
		made->since = status.st_mtim;
	}
	return made->known;
}

/* Remove the file of a socket if it is the one that was made. */
static void socket_remove(const char *path, const struct made *made)
{
	struct made now;

	if (made->known && socket_find(path, &now) && now.device == made->device &&
	    now.number == made->number && now.since.tv_sec == made->since.tv_sec &&
	    now.since.tv_nsec == made->since.tv_nsec)
		unlink(path);
}

static void answer_send(uint32_t number, int fd, int fault)
{
	struct answer answer = { number, fd < 0 ? fault : 0 };
	struct iovec piece = { &answer, sizeof answer };
	struct msghdr message = { .msg_iov = &piece, .msg_iovlen = 1 };
	union control control = { { 0 } };

	if (fd >= 0) {
		message.msg_control = &control;
		message.msg_controllen = sizeof control;
		control.head.cmsg_level = SOL_SOCKET;
		control.head.cmsg_type = SCM_RIGHTS;
		control.head.cmsg_len = CMSG_LEN(sizeof fd);
		memcpy(CMSG_DATA(&control.head), &fd, sizeof fd);
	}
	sendmsg(0, &message, 0);
}

static void open_named(const struct opener_names *names, const struct request *request)
{
	int fd;

	errno = EINVAL;
	fd = request->value < names->file_count ? file_open(names->files[request->value]) : -1;
	answer_send(request->number, fd, errno);
	if (fd >= 0)
		close(fd);
}

/* -- its commands --------------------------------------------------------------------------- */

/* Be the command: the child's side. fd is its end of the socket. */
static _Noreturn void command_run(const struct opener_names *names, size_t command, int fd)
{
	struct sigaction action = { .sa_handler = SIG_DFL };
	char error[256];
	int number;

	setsid();
	sigemptyset(&action.sa_mask);
	for (number = 1; number < NSIG; number++)
		sigaction(number, &action, NULL);
	sigprocmask(SIG_SETMASK, &action.sa_mask, NULL);
	dup2(fd, STDIN_FILENO);
	dup2(STDIN_FILENO, STDOUT_FILENO);
	if (names->user != NULL && !user_become(names->user, error, sizeof error)) {
		dprintf(STDERR_FILENO, "uwt: %s\n", error);
		_exit(126);
	}
	execl("/bin/sh", "sh", "-c", names->commands[command], (char *)NULL);
	dprintf(STDERR_FILENO, "uwt: /bin/sh: %s\n", strerror(errno));
	_exit(127);
}

/* A socket whose first end is the program's. */
static bool make_ends(int ends[2])
{
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0)
		return false;
	if (fcntl(ends[0], F_SETFD, FD_CLOEXEC) == 0 && fcntl(ends[1], F_SETFD, FD_CLOEXEC) == 0 &&
	    fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0)
		return true;
	close(ends[0]);
	close(ends[1]);
	return false;
}

/* Start a command. Returns the program's end of its socket, or -1 with errno set. */
static int process_start(const struct opener_names *names, struct process *process, size_t command)
{
	int ends[2], fault;
	pid_t pid;

	if (!make_ends(ends))
		return -1;
	pid = fork();
	if (pid == 0)
		command_run(names, command, ends[1]);
	fault = errno;
	close(ends[1]);
	if (pid > 0) {
		*process = (struct process){ pid, command, UINT64_MAX, SIGTERM };
		return ends[0];
	}
	close(ends[0]);
	errno = fault;
	return -1;
}

static void process_signal(const struct process *process, int number)
{
	/* At first it is in the opener's session still. */
	if (kill(-process->pid, number) != 0)
		kill(process->pid, number);
}

/* Let it have SIGTERM then, unless that is under way. */
static void process_end(struct process *process, uint64_t when)
{
	if (process->pid > 0 && process->due == UINT64_MAX && process->next == SIGTERM)
		process->due = when;
}

/* Has it ended? Then what is left of its group is killed too. */
static bool process_reap(struct process *process)
{
	siginfo_t info = { .si_pid = 0 };

	/* Nobody has waited for it yet, so its number is no other group's. */
	if (waitid(P_PID, (id_t)process->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0) {
		if (info.si_pid == 0)
			return false;
		kill(-process->pid, SIGKILL);
		waitpid(process->pid, NULL, 0);
	}
	process->pid = 0;
	return true;
}

/* Send the signals whose time has come, and forget who has ended. Returns when the next one is
 * due; *count becomes how many there are still. */
static uint64_t processes_tend(struct keeper *keeper, uint64_t now, size_t *count)
{
	uint64_t next = UINT64_MAX;
	struct process *process;

	*count = 0;
	for (process = keeper->processes; process < keeper->processes + PROCESSES_MAX; process++) {
		if (process->pid == 0 || process_reap(process))
			continue;
		if (process->due <= now) {
			process_signal(process, process->next);
			process->due = process->next == SIGTERM ? now + OPENER_GRACE : UINT64_MAX;
			process->next = SIGKILL;
		}
		++*count;
		if (process->due < next)
			next = process->due;
	}
	return next;
}

static void command_end(struct keeper *keeper, size_t command)
{
	size_t i, count;

	for (i = 0; i < PROCESSES_MAX; i++) {
		if (keeper->processes[i].command == command)
			process_end(&keeper->processes[i], 0);
	}
	processes_tend(keeper, clock_ms(), &count);
}

static void command_launch(struct keeper *keeper, const struct request *request)
{
	size_t place = 0;
	int fd = -1;

	command_end(keeper, request->value);
	while (place < PROCESSES_MAX && keeper->processes[place].pid != 0)
		place++;
	errno = request->value < keeper->names->command_count ? EAGAIN : EINVAL;
	if (errno == EAGAIN && place < PROCESSES_MAX)
		fd = process_start(keeper->names, &keeper->processes[place], request->value);
	answer_send(request->number, fd, errno);
	if (fd >= 0)
		close(fd);
}

/* -- what it saves -------------------------------------------------------------------------- */

/* Save: the child's side. Its exit status is errno, as far as that fits. */
static _Noreturn void saver_run(const struct keeper *keeper, size_t size)
{
	int fault;

	/* Whoever waits for the end of the opener, or of its standard error, does not wait for
	 * this. */
	close(0);
	close(STDERR_FILENO);
	fault = save_file(keeper->names->folder, keeper->names->saved, keeper->memory, size);
	_exit(fault <= UINT8_MAX ? fault : EIO);
}

static void state_save(struct keeper *keeper, const struct request *request)
{
	const struct opener_names *names = keeper->names;
	pid_t pid;

	if (names->folder == NULL || request->value > names->save_max) {
		answer_send(request->number, -1, EINVAL);
		return;
	}
	if (keeper->saver.pid != 0) {
		answer_send(request->number, -1, EBUSY);
		return;
	}
	pid = fork();
	if (pid == 0)
		saver_run(keeper, request->value);
	if (pid > 0)
		keeper->saver = (struct saver){ pid, request->number };
	else
		answer_send(request->number, -1, errno);
}

/* Answer if it has ended. */
static void saver_tend(struct saver *saver)
{
	int status;

	if (saver->pid == 0 || waitpid(saver->pid, &status, WNOHANG) != saver->pid)
		return;
	answer_send(saver->number, -1, WIFEXITED(status) ? WEXITSTATUS(status) : EINTR);
	saver->pid = 0;
}

/* -- its life ------------------------------------------------------------------------------- */

/* Wait until something can be received, if told to look, a process ends, or the time has come. */
static bool keeper_wait(const struct keeper *keeper, bool look, uint64_t now, uint64_t until)
{
	struct timespec time, *limit = NULL;
	fd_set set;

	FD_ZERO(&set);
	if (look)
		FD_SET(0, &set);
	if (until != UINT64_MAX) {
		time.tv_sec = until > now ? (time_t)((until - now) / 1000) : 0;
		time.tv_nsec = until > now ? (long)((until - now) % 1000 * 1000000) : 0;
		limit = &time;
	}
	return pselect(look, &set, NULL, NULL, limit, &keeper->waiting) > 0;
}

/* Take the next request. False when the program has ended. */
static bool request_take(struct keeper *keeper, struct request *request)
{
	uint64_t now, until;
	size_t count;

	do {
		now = clock_ms();
		until = processes_tend(keeper, now, &count);
		saver_tend(&keeper->saver);
	} while (!keeper_wait(keeper, true, now, until));
	return recv(0, request, sizeof *request, MSG_WAITALL) == (ssize_t)sizeof *request;
}

static void sockets_note(struct keeper *keeper)
{
	size_t i;

	if (keeper->noted)
		return;
	keeper->noted = true;
	for (i = 0; i < keeper->names->socket_count; i++)
		socket_find(keeper->names->sockets[i], &keeper->made[i]);
}

static void sockets_remove(struct keeper *keeper)
{
	size_t i;

	for (i = 0; i < keeper->names->socket_count; i++) {
		socket_remove(keeper->names->sockets[i], &keeper->made[i]);
		keeper->made[i].known = false;
	}
}

static void request_serve(struct keeper *keeper, const struct request *request)
{
	switch (request->kind) {
	case LAUNCH_COMMAND:
		command_launch(keeper, request);
		return;
	case SAVE_STATE:
		state_save(keeper, request);
		return;
	case STOP_COMMAND:
		command_end(keeper, request->value);
		return;
	case NOTE_SOCKETS:
		sockets_note(keeper);
		answer_send(request->number, -1, 0);
		return;
	case REMOVE_SOCKETS:
		sockets_remove(keeper);
		answer_send(request->number, -1, 0);
		return;
	case OPEN_FILE:
		open_named(keeper->names, request);
		return;
	default:
		answer_send(request->number, -1, EINVAL);
	}
}

/* See that no command is left. */
static void commands_finish(struct keeper *keeper)
{
	uint64_t now = clock_ms(), until, last;
	size_t count, i;

	last = now + OPENER_LEAVE + OPENER_GRACE + LAST_WAIT;
	for (i = 0; i < PROCESSES_MAX; i++)
		process_end(&keeper->processes[i], now + OPENER_LEAVE);
	for (;;) {
		until = processes_tend(keeper, now, &count);
		if (count == 0 || now >= last)
			return;
		keeper_wait(keeper, false, now, until < last ? until : last);
		now = clock_ms();
	}
}

static _Noreturn void opener_run(int fd, const struct opener_names *names, const void *memory)
{
	struct keeper keeper = { .names = names, .memory = memory };
	struct request request;

	set_signals(&keeper);
	close_others(fd, names->command_count > 0);
	while (request_take(&keeper, &request))
		request_serve(&keeper, &request);
	sockets_remove(&keeper);
	commands_finish(&keeper);
	_exit(0);
}

/* -- the program ---------------------------------------------------------------------------- */

/* Make the two ends, and the process that has the second. False with errno set. */
static bool opener_fork(struct opener *opener, const struct opener_names *names)
{
	struct timeval patience = { OPENER_PATIENCE / 1000, OPENER_PATIENCE % 1000 * 1000 };
	int ends[2], fault;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0)
		return false;
	if (fcntl(ends[0], F_SETFD, FD_CLOEXEC) == 0 &&
	    setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0)
		opener->pid = fork();
	else
		opener->pid = -1;
	if (opener->pid == 0)
		opener_run(ends[1], names, opener->memory);
	fault = errno;
	close(ends[1]);
	if (opener->pid > 0) {
		opener->fd = ends[0];
		return true;
	}
	close(ends[0]);
	errno = fault;
	return false;
}

/* Forget it, with what memory it shares. */
static void opener_clear(struct opener *opener)
{
	if (opener->memory != NULL)
		munmap(opener->memory, opener->memory_size);
	*opener = OPENER_NONE;
}

bool opener_start(struct opener *opener, const struct opener_names *names)
{
	int fault;

	*opener = OPENER_NONE;
	if (names->folder != NULL) {
		opener->memory = mmap(NULL, names->save_max, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		if (opener->memory == MAP_FAILED) {
			opener->memory = NULL;
			return false;
		}
		opener->memory_size = names->save_max;
	}
	if (opener_fork(opener, names))
		return true;
	fault = errno;
	opener_clear(opener);
	errno = fault;
	return false;
}

/* It has ended, or cannot be spoken to. */
static void opener_lose(struct opener *opener)
{
	close(opener->fd);
	opener->fd = -1;
	if (waitpid(opener->pid, NULL, WNOHANG) == opener->pid)
		opener->pid = 0;
	errno = ESRCH;
}

/* Send a request, without waiting. False with errno set. */
static bool request_send(struct opener *opener, enum kind kind, size_t value)
{
	struct request request = { kind, (uint32_t)value, 0 };

	if (opener->fd < 0) {
		errno = ESRCH;
		return false;
	}
	/* No request has the number 0. */
	opener->asked += opener->asked == UINT32_MAX ? 2 : 1;
	request.number = opener->asked;
	if (send(opener->fd, &request, sizeof request, MSG_NOSIGNAL | MSG_DONTWAIT) ==
	    (ssize_t)sizeof request)
		return true;
	if (errno == EAGAIN || errno == EWOULDBLOCK)
		errno = ETIMEDOUT;      /* so many others wait for their answers */
	else
		opener_lose(opener);
	return false;
}

/* Take the next answer, and a descriptor that comes with it or -1. False with errno set. */
static bool answer_take(struct opener *opener, struct answer *answer, int *fd, int flags)
{
	struct iovec piece = { answer, sizeof *answer };
	union control control;
	struct msghdr message = { .msg_iov = &piece, .msg_iovlen = 1, .msg_control = &control,
		.msg_controllen = sizeof control };
	const struct cmsghdr *head;
	ssize_t got;

	do
		got = recvmsg(opener->fd, &message, flags);
	while (got < 0 && errno == EINTR);
	*fd = -1;
	if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
		errno = ETIMEDOUT;
		return false;
	}
	if (got != (ssize_t)sizeof *answer) {
		opener_lose(opener);
		return false;
	}
	head = CMSG_FIRSTHDR(&message);
	if (head != NULL && head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS)
		memcpy(fd, CMSG_DATA(head), sizeof *fd);
	return true;
}

/* Keep an answer that came for a command or a save, or that nobody waits for any more. */
static void answer_keep(struct opener *opener, const struct answer *answer, int fd)
{
	struct opener_launch *launch;

	if (opener->save.number == answer->number && !opener->save.answered) {
		opener->save.answered = true;
		opener->save.fault = answer->fault;
	}
	for (launch = opener->launches; launch < opener->launches + OPENER_COMMANDS_MAX; launch++) {
		if (launch->number == answer->number && !launch->answered) {
			launch->answered = true;
			launch->fd = fd;
			launch->fault = answer->fault != 0 ? answer->fault : EMFILE;
			return;
		}
	}
	if (fd >= 0)
		close(fd);
}

/* Ask, and wait for the answer. Returns the descriptor that came with it, or -1 with errno set. */
static int ask(struct opener *opener, enum kind kind, size_t value)
{
	struct answer answer;
	int fd;

	if (!request_send(opener, kind, value))
		return -1;
	/* One that came too late for its request, or is another's, may be first. */
	while (answer_take(opener, &answer, &fd, 0)) {
		if (answer.number != opener->asked) {
			answer_keep(opener, &answer, fd);
			continue;
		}
		/* Where there is no room for a descriptor, it is lost on the way. */
		if (fd < 0)
			errno = answer.fault != 0 ? answer.fault : EMFILE;
		return fd;
	}
	return -1;
}

void opener_note(struct opener *opener)
{
	ask(opener, NOTE_SOCKETS, 0);
}

void opener_remove(struct opener *opener)
{
	ask(opener, REMOVE_SOCKETS, 0);
}

int opener_open(struct opener *opener, size_t file)
{
	if (file < OPENER_NAMES_MAX)
		return ask(opener, OPEN_FILE, file);
	errno = EINVAL;
	return -1;
}

/* Want no answer for it any more. */
static void launch_forget(struct opener_launch *launch)
{
	if (launch->answered && launch->fd >= 0)
		close(launch->fd);
	*launch = (struct opener_launch){ .fd = -1 };
}

bool opener_launch(struct opener *opener, size_t command)
{
	if (command >= OPENER_COMMANDS_MAX) {
		errno = EINVAL;
		return false;
	}
	launch_forget(&opener->launches[command]);
	if (!request_send(opener, LAUNCH_COMMAND, command))
		return false;
	opener->launches[command].number = opener->asked;
	return true;
}

/* Take the answers that have come, until this one has. */
static void answers_take(struct opener *opener, const bool *answered)
{
	struct answer answer;
	int fd;

	while (!*answered && opener->fd >= 0 && answer_take(opener, &answer, &fd, MSG_DONTWAIT))
		answer_keep(opener, &answer, fd);
}

int opener_launched(struct opener *opener, size_t command)
{
	struct opener_launch *launch, found;

	errno = EINVAL;
	if (command >= OPENER_COMMANDS_MAX || opener->launches[command].number == 0)
		return -1;
	launch = &opener->launches[command];
	answers_take(opener, &launch->answered);
	if (!launch->answered) {
		errno = opener->fd < 0 ? ESRCH : EINPROGRESS;
		return -1;
	}
	found = *launch;
	*launch = (struct opener_launch){ .fd = -1 };
	if (found.fd >= 0)
		fcntl(found.fd, F_SETFD, FD_CLOEXEC);
	errno = found.fault;
	return found.fd;
}

void opener_stop(struct opener *opener, size_t command)
{
	if (command >= OPENER_COMMANDS_MAX)
		return;
	launch_forget(&opener->launches[command]);
	request_send(opener, STOP_COMMAND, command);
}

void *opener_memory(const struct opener *opener)
{
	return opener->memory;
}

bool opener_save(struct opener *opener, size_t size)
{
	errno = opener->save.number != 0 ? EBUSY : EINVAL;
	if (opener->save.number != 0 || opener->memory == NULL || size > opener->memory_size ||
	    !request_send(opener, SAVE_STATE, size))
		return false;
	opener->save = (struct opener_save){ .number = opener->asked };
	return true;
}

int opener_saved(struct opener *opener)
{
	struct opener_save found;

	if (opener->save.number == 0)
		return EINVAL;
	answers_take(opener, &opener->save.answered);
	found = opener->save;
	if (!found.answered && opener->fd >= 0)
		return EINPROGRESS;
	opener->save = (struct opener_save){ .number = 0 };
	return found.answered ? found.fault : ESRCH;
}

void opener_end(struct opener *opener)
{
	struct answer late;
	ssize_t got;
	bool ended = true;
	size_t i;

	for (i = 0; i < OPENER_COMMANDS_MAX; i++)
		launch_forget(&opener->launches[i]);
	if (opener->fd >= 0) {
		shutdown(opener->fd, SHUT_WR);
		/* When it has ended, so has what can be received. */
		do
			got = recv(opener->fd, &late, sizeof late, 0);
		while (got > 0 || (got < 0 && errno == EINTR));
		ended = got == 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
		close(opener->fd);
	}
	if (opener->pid > 0)
		waitpid(opener->pid, NULL, ended ? 0 : WNOHANG);
	opener_clear(opener);
}
