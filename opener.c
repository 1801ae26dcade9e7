/* opener.c - see opener.h */
#include "opener.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "file.h"

#define DESCRIPTORS_MAX 65536   /* more than anybody leaves open to a program */
#define SOCKETS_MADE UINT32_MAX /* asked for in place of a file */

struct request {
	uint32_t file;
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

static void ignore_signals(void)
{
	static const int numbers[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE };
	struct sigaction action = { .sa_handler = SIG_IGN };
	size_t i;

	sigemptyset(&action.sa_mask);
	for (i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
		sigaction(numbers[i], &action, NULL);
}

/* Keep the socket alone, as descriptor 0. */
static void close_others(int fd)
{
	long most = sysconf(_SC_OPEN_MAX);
	int other;

	if (most < 0 || most > DESCRIPTORS_MAX)
		most = DESCRIPTORS_MAX;
	dup2(fd, 0);
	for (other = 1; other < most; other++)
		close(other);
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
	fd = request->file < names->file_count ? file_open(names->files[request->file]) : -1;
	answer_send(request->number, fd, errno);
	if (fd >= 0)
		close(fd);
}

static _Noreturn void opener_run(int fd, const struct opener_names *names)
{
	struct made made[OPENER_NAMES_MAX] = { { 0 } };
	struct request request;
	size_t i;

	ignore_signals();
	close_others(fd);
	while (recv(0, &request, sizeof request, MSG_WAITALL) == (ssize_t)sizeof request) {
		if (request.file != SOCKETS_MADE) {
			open_named(names, &request);
			continue;
		}
		for (i = 0; i < names->socket_count; i++)
			socket_find(names->sockets[i], &made[i]);
		answer_send(request.number, -1, 0);
	}
	for (i = 0; i < names->socket_count; i++)
		socket_remove(names->sockets[i], &made[i]);
	_exit(0);
}

/* -- the program ---------------------------------------------------------------------------- */

bool opener_start(struct opener *opener, const struct opener_names *names)
{
	struct timeval patience = { OPENER_PATIENCE / 1000, OPENER_PATIENCE % 1000 * 1000 };
	int ends[2], fault;

	*opener = OPENER_NONE;
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0)
		return false;
	if (fcntl(ends[0], F_SETFD, FD_CLOEXEC) == 0 &&
	    setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0)
		opener->pid = fork();
	else
		opener->pid = -1;
	if (opener->pid == 0)
		opener_run(ends[1], names);
	fault = errno;
	close(ends[1]);
	if (opener->pid > 0) {
		opener->fd = ends[0];
		return true;
	}
	close(ends[0]);
	*opener = OPENER_NONE;
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

static bool request_send(struct opener *opener, uint32_t file)
{
	struct request request = { file, ++opener->asked };

	if (opener->fd < 0) {
		errno = ESRCH;
		return false;
	}
	if (send(opener->fd, &request, sizeof request, MSG_NOSIGNAL) == (ssize_t)sizeof request)
		return true;
	opener_lose(opener);
	return false;
}

/* Take the next answer, and a descriptor that comes with it or -1. False with errno set. */
static bool answer_take(struct opener *opener, struct answer *answer, int *fd)
{
	struct iovec piece = { answer, sizeof *answer };
	union control control;
	struct msghdr message = { .msg_iov = &piece, .msg_iovlen = 1, .msg_control = &control,
		.msg_controllen = sizeof control };
	const struct cmsghdr *head;
	ssize_t got;

	do
		got = recvmsg(opener->fd, &message, 0);
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

/* Ask, and wait for the answer. Returns the descriptor that came with it, or -1 with errno set. */
static int ask(struct opener *opener, uint32_t file)
{
	struct answer answer;
	int fd;

	if (!request_send(opener, file))
		return -1;
	/* One that came too late for its request may be first. */
	while (answer_take(opener, &answer, &fd)) {
		if (answer.number != opener->asked) {
			if (fd >= 0)
				close(fd);
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
	ask(opener, SOCKETS_MADE);
}

int opener_open(struct opener *opener, size_t file)
{
	if (file < OPENER_NAMES_MAX)
		return ask(opener, (uint32_t)file);
	errno = EINVAL;
	return -1;
}

void opener_end(struct opener *opener)
{
	struct answer late;
	ssize_t got;
	bool ended = true;

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
	*opener = OPENER_NONE;
}
