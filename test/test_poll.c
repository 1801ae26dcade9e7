/*
 * test_poll.c - readiness of pipes and sockets, whichever backend this is linked with.
 */
#include "test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../poll.h"
#include "guard.h"

#define COUNT(array) (sizeof (array) / sizeof (array)[0])
#define MAX_FD 512
#define EVENTS 64
#define BOTH (POLL_READ | POLL_WRITE)
#define LARGE_TAG UINT64_C(0xfedcba9876543210)

static int64_t clock_ms(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static struct poll_set *set_new(void)
{
	struct poll_set *set = poll_open(MAX_FD);

	if (set == NULL) {
		perror("poll_open");
		exit(1);
	}
	return set;
}

static void pipe_new(int ends[2])
{
	if (pipe(ends) != 0) {
		perror("pipe");
		exit(1);
	}
	CHECK(fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0 && fcntl(ends[1], F_SETFL, O_NONBLOCK) == 0);
}

static void sockets_new(int ends[2])
{
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) {
		perror("socketpair");
		exit(1);
	}
	CHECK(fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0 && fcntl(ends[1], F_SETFL, O_NONBLOCK) == 0);
}

static void ends_close(const int ends[2])
{
	close(ends[0]);
	close(ends[1]);
}

static void put(int fd)
{
	CHECK(write(fd, "x", 1) == 1);
}

static void take(int fd)
{
	char byte;

	CHECK(read(fd, &byte, 1) == 1);
}

/* What is ready now under a tag, 0 if nothing; nothing else may be. */
static unsigned ready(struct poll_set *set, uint64_t tag)
{
	struct poll_event events[EVENTS];
	int count = poll_wait(set, events, EVENTS, 0);

	CHECK(count == 0 || (count == 1 && events[0].tag == tag));
	return count == 1 ? events[0].ready : 0;
}

static void nothing_to_watch(void)
{
	struct poll_set *set = set_new();
	struct poll_event event;
	int64_t start = clock_ms();

	CHECK(poll_wait(set, &event, 1, 0) == 0);
	CHECK(clock_ms() - start < 500);
	start = clock_ms();
	CHECK(poll_wait(set, &event, 1, 30) == 0);
	CHECK(clock_ms() - start >= 29);
	poll_close(set);
}

static void names(void)
{
	struct poll_set *set = set_new();
	bool epoll = strcmp(poll_name(), "epoll") == 0;
	int fd = poll_descriptor(set);

	CHECK(epoll || strcmp(poll_name(), "poll") == 0);
	CHECK((fd >= 0) == epoll);
	CHECK(fd < 0 || (fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
	CHECK(poll_memory(16) > 0 && poll_memory(1 << 20) >= poll_memory(16));
	poll_close(set);
}

/* Level-triggered: what is ready is reported until it is not. */
static void reading(void)
{
	struct poll_set *set = set_new();
	int ends[2];

	pipe_new(ends);
	CHECK(poll_add(set, ends[0], LARGE_TAG, POLL_READ));
	CHECK(ready(set, LARGE_TAG) == 0);
	put(ends[1]);
	CHECK(ready(set, LARGE_TAG) == POLL_READ);
	CHECK(ready(set, LARGE_TAG) == POLL_READ);
	take(ends[0]);
	CHECK(ready(set, LARGE_TAG) == 0);
	put(ends[1]);
	CHECK(ready(set, LARGE_TAG) == POLL_READ);
	poll_remove(set, ends[0]);
	ends_close(ends);
	poll_close(set);
}

static void writing(void)
{
	struct poll_set *set = set_new();
	char bytes[4096] = "";
	int ends[2];

	pipe_new(ends);
	CHECK(poll_add(set, ends[1], 0, POLL_WRITE));
	CHECK(ready(set, 0) == POLL_WRITE);
	while (write(ends[1], bytes, sizeof bytes) > 0)
		continue;
	CHECK(ready(set, 0) == 0);
	while (read(ends[0], bytes, sizeof bytes) > 0)
		continue;
	CHECK(ready(set, 0) == POLL_WRITE);
	poll_remove(set, ends[1]);
	ends_close(ends);
	poll_close(set);
}

/* Only what was asked for; a change takes the tag with it. */
static void changing(void)
{
	struct poll_set *set = set_new();
	int ends[2];

	sockets_new(ends);
	put(ends[1]);
	CHECK(poll_add(set, ends[0], 1, POLL_READ));
	CHECK(ready(set, 1) == POLL_READ);
	CHECK(poll_change(set, ends[0], 2, BOTH));
	CHECK(ready(set, 2) == BOTH);
	CHECK(poll_change(set, ends[0], 3, POLL_WRITE));
	CHECK(ready(set, 3) == POLL_WRITE);
	CHECK(poll_change(set, ends[0], 4, 0));
	CHECK(ready(set, 4) == 0);
	CHECK(shutdown(ends[1], SHUT_WR) == 0);     /* no fault: reading was not asked for */
	CHECK(ready(set, 4) == 0);
	CHECK(poll_change(set, ends[0], LARGE_TAG, POLL_READ));
	CHECK(ready(set, LARGE_TAG) & POLL_READ);
	take(ends[0]);
	CHECK(ready(set, LARGE_TAG) & POLL_READ);   /* the end is to be read */
	poll_remove(set, ends[0]);
	ends_close(ends);
	poll_close(set);
}

/* Nothing more of a removed one, first, middle or last; its number may come back for another. */
static void removing(void)
{
	struct poll_set *set = set_new();
	struct poll_event events[EVENTS];
	int ends[5][2], count;

	for (int i = 0; i < 5; i++) {
		pipe_new(ends[i]);
		put(ends[i][1]);
		CHECK(poll_add(set, ends[i][0], (uint64_t)i, POLL_READ));
	}
	for (unsigned gone = 1; gone < 32; gone++) {
		unsigned seen = 0;

		for (int i = 0; i < 5; i++) {
			if (gone >> i & 1)
				poll_remove(set, ends[i][0]);
		}
		count = poll_wait(set, events, EVENTS, 0);
		for (int i = 0; i < count; i++) {
			CHECK(events[i].tag < 5 && events[i].ready == POLL_READ);
			seen |= 1u << events[i].tag;
		}
		CHECK(seen == (~gone & 31));
		for (int i = 0; i < 5; i++) {
			if (gone >> i & 1)
				CHECK(poll_add(set, ends[i][0], (uint64_t)i, POLL_READ));
		}
		CHECK(poll_wait(set, events, EVENTS, 0) == 5);
	}
	for (int i = 0; i < 5; i++) {
		poll_remove(set, ends[i][0]);
		ends_close(ends[i]);
	}
	CHECK(poll_wait(set, events, EVENTS, 0) == 0);
	poll_close(set);
}

static void number_comes_back(void)
{
	struct poll_set *set = set_new();
	int first[2], second[2];

	pipe_new(first);
	pipe_new(second);
	put(first[1]);
	for (uint64_t tag = 1; tag < 10; tag++) {
		int fd = dup(first[0]);

		CHECK(poll_add(set, fd, tag, POLL_READ));
		CHECK(ready(set, tag) == POLL_READ);
		poll_remove(set, fd);
		CHECK(dup2(second[0], fd) == fd);       /* the same number, nothing to read */
		CHECK(poll_add(set, fd, tag + 100, POLL_READ));
		CHECK(ready(set, tag + 100) == 0);
		put(second[1]);
		CHECK(ready(set, tag + 100) == POLL_READ);
		take(second[0]);
		poll_remove(set, fd);
		close(fd);
	}
	ends_close(first);
	ends_close(second);
	poll_close(set);
}

/* A hang-up or an error is both, whatever was asked for. */
static void faults(void)
{
	static const unsigned interests[] = { 0, POLL_READ, POLL_WRITE, BOTH };
	struct poll_set *set = set_new();
	int ends[2];

	for (size_t i = 0; i < COUNT(interests); i++) {
		pipe_new(ends);
		CHECK(poll_add(set, ends[0], i, interests[i]));
		CHECK(ready(set, i) == 0);
		close(ends[1]);
		CHECK(ready(set, i) == BOTH);
		poll_remove(set, ends[0]);
		CHECK(ready(set, i) == 0);
		close(ends[0]);

		pipe_new(ends);
		CHECK(poll_add(set, ends[1], i, interests[i]));
		close(ends[0]);
		CHECK(ready(set, i) == BOTH);
		poll_remove(set, ends[1]);
		close(ends[1]);

		sockets_new(ends);
		put(ends[1]);
		CHECK(poll_add(set, ends[0], i, interests[i]));
		close(ends[1]);
		CHECK(ready(set, i) == BOTH);
		poll_remove(set, ends[0]);
		close(ends[0]);
	}
	poll_close(set);
}

/* More are ready than one wait reports: all of them are served in turn. */
static void fair(int descriptors, int max, int rounds)
{
	struct poll_set *set = set_new();
	struct poll_event *events = guard_alloc((size_t)max * sizeof *events);
	int ends[2], seen[MAX_FD] = { 0 }, fds[MAX_FD], most = 0, least = INT32_MAX, total = 0;

	pipe_new(ends);
	put(ends[1]);
	for (int i = 0; i < descriptors; i++) {
		fds[i] = dup(ends[0]);
		CHECK(fds[i] >= 0 && poll_add(set, fds[i], (uint64_t)i, POLL_READ));
	}
	for (int round = 0; round < rounds; round++) {
		int count = poll_wait(set, events, max, -1);

		CHECK(count > 0 && count <= max);
		total += count;
		for (int i = 0; i < count; i++) {
			CHECK(events[i].ready == POLL_READ);
			CHECK(events[i].tag < (uint64_t)descriptors);
			seen[events[i].tag]++;
		}
	}
	for (int i = 0; i < descriptors; i++) {
		most = seen[i] > most ? seen[i] : most;
		least = seen[i] < least ? seen[i] : least;
		poll_remove(set, fds[i]);
		close(fds[i]);
	}
	CHECK(total >= descriptors && most - least <= 1);
	guard_free(events, (size_t)max * sizeof *events);
	ends_close(ends);
	poll_close(set);
}

static void fairness(void)
{
	fair(1, 1, 3);
	fair(20, 4, 50);
	fair(20, 7, 53);
	fair(7, 1, 30);
	fair(300, 300, 10);
	fair(300, 1000, 10);
}

static void waiting_ends(void)
{
	struct poll_set *set = set_new();
	struct poll_event event;
	int ends[2];
	pid_t child;

	pipe_new(ends);
	CHECK(poll_add(set, ends[0], 5, POLL_READ));
	child = fork();
	if (child == 0) {
		usleep(30000);
		_exit(write(ends[1], "x", 1) != 1);
	}
	CHECK(poll_wait(set, &event, 1, -1) == 1);
	CHECK(event.tag == 5 && event.ready == POLL_READ);
	if (poll_descriptor(set) >= 0) {
		struct pollfd waited = { .fd = poll_descriptor(set), .events = POLLIN };

		CHECK(poll(&waited, 1, 0) == 1);
		take(ends[0]);
		CHECK(poll(&waited, 1, 0) == 0);
	}
	CHECK(waitpid(child, NULL, 0) == child);
	poll_remove(set, ends[0]);
	ends_close(ends);
	poll_close(set);
}

static void on_alarm(int number)
{
	(void)number;
}

static void signals(void)
{
	struct itimerval soon = { .it_value = { .tv_usec = 30000 } };
	struct sigaction action = { .sa_handler = on_alarm };
	struct poll_set *set = set_new();
	struct poll_event event;

	sigemptyset(&action.sa_mask);
	CHECK(sigaction(SIGALRM, &action, NULL) == 0);
	CHECK(setitimer(ITIMER_REAL, &soon, NULL) == 0);
	CHECK(poll_wait(set, &event, 1, -1) == 0);
	poll_close(set);
}

/* Sets are independent, and leave nothing behind. */
static void sets(void)
{
	struct poll_set *one, *two;
	int ends[2], lowest, i;

	pipe_new(ends);
	put(ends[1]);
	lowest = dup(ends[0]);
	close(lowest);
	for (i = 0; i < 300; i++) {
		one = set_new();
		two = set_new();
		CHECK(poll_add(one, ends[0], 1, POLL_READ));
		CHECK(ready(one, 1) == POLL_READ && ready(two, 1) == 0);
		CHECK(poll_add(two, ends[0], 2, POLL_READ));
		poll_remove(one, ends[0]);
		CHECK(ready(one, 1) == 0 && ready(two, 2) == POLL_READ);
		poll_close(one);
		poll_close(two);
	}
	i = dup(ends[0]);
	CHECK(i == lowest);
	close(i);
	ends_close(ends);
}

static void accepting(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET }, peer, own;
	struct sockaddr *bound = (struct sockaddr *)&address;
	socklen_t length = sizeof address, peer_length = sizeof peer, own_length = sizeof own;
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	int client = socket(AF_INET, SOCK_STREAM, 0), fd;
	char byte;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	CHECK(bind(listener, bound, length) == 0 && listen(listener, 4) == 0);
	CHECK(getsockname(listener, bound, &length) == 0);
	CHECK(fcntl(listener, F_SETFL, O_NONBLOCK) == 0);
	errno = 0;
	CHECK(poll_accept(listener, (struct sockaddr *)&peer, &peer_length) == -1);
	CHECK(errno == EAGAIN || errno == EWOULDBLOCK);
	CHECK(connect(client, bound, length) == 0);
	peer_length = sizeof peer;
	fd = poll_accept(listener, (struct sockaddr *)&peer, &peer_length);
	CHECK(fd >= 0);
	CHECK((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
	CHECK((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
	CHECK(read(fd, &byte, 1) == -1 && (errno == EAGAIN || errno == EWOULDBLOCK));
	CHECK(getsockname(client, (struct sockaddr *)&own, &own_length) == 0);
	CHECK(peer_length == own_length && peer.sin_family == AF_INET);
	CHECK(peer.sin_port == own.sin_port && peer.sin_addr.s_addr == own.sin_addr.s_addr);
	CHECK(write(client, "x", 1) == 1 && fcntl(fd, F_SETFL, 0) == 0);
	CHECK(read(fd, &byte, 1) == 1 && byte == 'x');
	close(fd);
	close(client);
	close(listener);
	errno = 0;
	CHECK(poll_accept(listener, NULL, NULL) == -1 && errno == EBADF);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	RUN(nothing_to_watch);
	RUN(names);
	RUN(reading);
	RUN(writing);
	RUN(changing);
	RUN(removing);
	RUN(number_comes_back);
	RUN(faults);
	RUN(fairness);
	RUN(waiting_ends);
	RUN(signals);
	RUN(sets);
	RUN(accepting);
	return test_end();
}
