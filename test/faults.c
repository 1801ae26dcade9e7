/*
 * faults.c - makes the calls of uwt fail, one after the other, and sees that it goes on.
 *
 *	faults [-t divisor] [-q] [-v] [-j jobs] [-c call] program...
 *
 * The programs are linked with fault_shim.c. For each call and each way in which it can fail, the
 * 1st such call fails that is made, then the 2nd, and so on to the last; a number is a place:
 *
 *	run     in a session beside two witnesses (fault_scene.c): nobody is lost but those whom the
 *	        fault is about, and all is as before when the session is over;
 *	start   from the first call of the program on: it serves all the same, or ends with status 1
 *	        or 2 and one line on stderr that says why;
 *	stop    after SIGTERM: it ends in time, with status 0.
 *
 * Nothing is left to chance but how many bytes of a TLS handshake the kernel hands over at a time,
 * which can shift later places by a few. -q tries some of the places, with equal distances; -v
 * tells what ended a start; -c takes one call only.
 * The last line is `N passed, N failed`: faults.
 */
#include "fault_scene.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define JOBS_MAX 16
#define FAILURES_MAX 3          /* of a job, until it is given up */
#define JOB_SECONDS 300.0
#define QUICK_PLACES 6          /* about, that a fault has with -q: in sessions, */
#define QUICK_STARTS 3          /* and where each takes a start */
#define DRIP_PLACES 20

enum { RUN = 1, START = 2, STOP = 4, PLACES = 3 };

#define ALL (RUN | START | STOP)

struct fault {
	uint32_t call;          /* enum fault_call */
	int error;              /* errno */
	uint32_t kind;          /* enum fault_kind */
	uint32_t times;         /* in a row */
	unsigned hurt;          /* enum hurt: what it may cost in a session */
	unsigned where;         /* it is tried */
};

#define FAIL(name, error, hurt, where) { FAULT_##name, error, FAULT_FAIL, 1, hurt, where }
#define MANY(name, error, hurt, where) { FAULT_##name, error, FAULT_FAIL, 10, hurt, where }
#define HALF(name, times, hurt, where) { FAULT_##name, 0, FAULT_HALF, times, hurt, where }
static const struct fault faults[] = {
	FAIL(accept, EINTR, NOBODY, RUN), FAIL(accept, EAGAIN, NOBODY, RUN),
	FAIL(accept, ECONNABORTED, NOBODY, RUN), FAIL(accept, EPROTO, NOBODY, RUN),
	FAIL(accept, ENETDOWN, NOBODY, RUN), FAIL(accept, ETIMEDOUT, NOBODY, RUN),
	FAIL(accept, EPERM, NOBODY, RUN), MANY(accept, ECONNABORTED, NOBODY, RUN),
	FAIL(accept, EMFILE, YOUNG, RUN), FAIL(accept, ENFILE, YOUNG, RUN),
	FAIL(accept, ENOBUFS, YOUNG, RUN), FAIL(accept, ENOMEM, YOUNG, RUN),
	MANY(accept, EMFILE, YOUNG, RUN),
	{ FAULT_accept, ECONNABORTED, FAULT_LOSE, 1, OWN, RUN },
	FAIL(recv, EINTR, NOBODY, RUN | STOP), FAIL(recv, EAGAIN, NOBODY, RUN | STOP),
	MANY(recv, EAGAIN, NOBODY, RUN), HALF(recv, 1, NOBODY, RUN | STOP),
	HALF(recv, 10, NOBODY, RUN), FAIL(recv, ENOMEM, NOBODY, RUN),
	FAIL(recv, ENOBUFS, NOBODY, RUN), FAIL(recv, ECONNRESET, OWN, RUN | STOP),
	FAIL(recv, ETIMEDOUT, OWN, RUN), FAIL(recv, EIO, OWN, RUN),
	FAIL(recv, EHOSTUNREACH, OWN, RUN),
	FAIL(send, EINTR, NOBODY, RUN | STOP), MANY(send, EINTR, NOBODY, RUN),
	FAIL(send, EAGAIN, NOBODY, RUN | STOP), MANY(send, EAGAIN, NOBODY, RUN),
	FAIL(send, ENOBUFS, NOBODY, RUN), MANY(send, ENOBUFS, NOBODY, RUN),
	FAIL(send, ENOMEM, NOBODY, RUN), HALF(send, 1, NOBODY, RUN | STOP),
	HALF(send, 10, NOBODY, RUN), FAIL(send, EPIPE, OWN, RUN | STOP),
	FAIL(send, ECONNRESET, OWN, RUN), FAIL(send, ETIMEDOUT, OWN, RUN),
	FAIL(send, EIO, OWN, RUN), FAIL(send, EHOSTUNREACH, OWN, RUN),
	FAIL(epoll_wait, EINTR, NOBODY, RUN | STOP), MANY(epoll_wait, EINTR, NOBODY, RUN | STOP),
	FAIL(epoll_wait, EINVAL, NOBODY, RUN), FAIL(epoll_wait, ENOMEM, NOBODY, RUN),
	MANY(epoll_wait, EBADF, NOBODY, RUN | STOP), HALF(epoll_wait, 1, NOBODY, RUN | STOP),
	HALF(epoll_wait, 10, NOBODY, RUN),
	FAIL(poll, EINTR, NOBODY, RUN | STOP), MANY(poll, EINTR, NOBODY, RUN | STOP),
	FAIL(poll, EAGAIN, NOBODY, RUN), FAIL(poll, ENOMEM, NOBODY, RUN | STOP),
	FAIL(poll, EINVAL, NOBODY, RUN), HALF(poll, 1, NOBODY, RUN | STOP),
	HALF(poll, 10, NOBODY, RUN),
	FAIL(epoll_ctl, ENOMEM, OWN, ALL), FAIL(epoll_ctl, ENOSPC, OWN, ALL),
	FAIL(fcntl, EINVAL, OWN, RUN | START), FAIL(fcntl, ENOMEM, OWN, RUN | START),
	FAIL(shutdown, ENOTCONN, OWN, RUN | STOP), FAIL(shutdown, ENOBUFS, OWN, RUN | STOP),
	FAIL(close, EINTR, NOBODY, ALL), FAIL(close, EIO, NOBODY, ALL),
	FAIL(clock_gettime, EINVAL, NOBODY, ALL), MANY(clock_gettime, EPERM, NOBODY, ALL),
	FAIL(write, EINTR, NOBODY, RUN | STOP), FAIL(write, EAGAIN, NOBODY, RUN | STOP),
	MANY(write, EAGAIN, NOBODY, RUN), FAIL(write, ENOSPC, NOBODY, RUN | STOP),
	HALF(write, 1, NOBODY, RUN | STOP), FAIL(write, EPIPE, OUTPUT, RUN | STOP),
	FAIL(write, EIO, OUTPUT, RUN | STOP),
	FAIL(read, EINTR, RELOAD, ALL), FAIL(read, EAGAIN, RELOAD, RUN),
	FAIL(read, EIO, RELOAD, ALL), HALF(read, 1, RELOAD, ALL),
	FAIL(open, EMFILE, RELOAD, RUN | START), FAIL(open, ENFILE, RELOAD, RUN | START),
	FAIL(open, ENOMEM, RELOAD, RUN | START), FAIL(open, EACCES, RELOAD, RUN | START),
	FAIL(open, ENOENT, RELOAD, RUN | START), FAIL(open, EINTR, RELOAD, RUN | START),
	FAIL(open, EIO, RELOAD, RUN | START),
	FAIL(lseek, EPERM, RELOAD, RUN | START), FAIL(lseek, EIO, RELOAD, RUN | START),
	FAIL(malloc, ENOMEM, RELOAD, RUN | START), FAIL(calloc, ENOMEM, RELOAD, RUN | START),
	FAIL(realloc, ENOMEM, RELOAD, RUN | START), FAIL(strdup, ENOMEM, RELOAD, RUN | START),
	FAIL(getentropy, EIO, OWN, RUN | START), FAIL(getentropy, ENOSYS, OWN, RUN | START),
	FAIL(getentropy, EINTR, OWN, RUN | START),
	FAIL(mmap, ENOMEM, NOBODY, START), FAIL(mmap, EAGAIN, NOBODY, START),
	FAIL(mmap, EPERM, NOBODY, START), FAIL(madvise, EINVAL, NOBODY, START),
	FAIL(socket, EMFILE, NOBODY, START), FAIL(socket, ENFILE, NOBODY, START),
	FAIL(socket, ENOBUFS, NOBODY, START), FAIL(socket, ENOMEM, NOBODY, START),
	FAIL(socket, EACCES, NOBODY, START), FAIL(socket, EAFNOSUPPORT, NOBODY, START),
	FAIL(socket, EPROTONOSUPPORT, NOBODY, START),
	FAIL(bind, EADDRINUSE, NOBODY, START), MANY(bind, EADDRINUSE, NOBODY, START),
	FAIL(bind, EACCES, NOBODY, START), FAIL(bind, EADDRNOTAVAIL, NOBODY, START),
	FAIL(bind, ENOMEM, NOBODY, START),
	FAIL(listen, EADDRINUSE, NOBODY, START), FAIL(listen, EOPNOTSUPP, NOBODY, START),
	FAIL(setsockopt, ENOMEM, NOBODY, START), FAIL(setsockopt, ENOPROTOOPT, NOBODY, START),
	FAIL(getsockname, ENOBUFS, NOBODY, START),
	FAIL(pipe, EMFILE, NOBODY, START), FAIL(pipe, ENFILE, NOBODY, START),
	FAIL(epoll_create1, EMFILE, NOBODY, START), FAIL(epoll_create1, ENOMEM, NOBODY, START),
	FAIL(getrlimit, EPERM, NOBODY, START), FAIL(setrlimit, EPERM, NOBODY, START),
	FAIL(sysconf, EINVAL, NOBODY, START),
	FAIL(stat, EACCES, NOBODY, START), FAIL(stat, ENOENT, NOBODY, START),
	FAIL(connect, EAGAIN, NOBODY, START), FAIL(connect, EACCES, NOBODY, START),
	FAIL(unlink, EACCES, NOBODY, START | STOP), FAIL(munmap, EINVAL, NOBODY, STOP)
};

/* Two at once: the first at its nth place, the second at each place after that. */
static const struct {
	struct fault first, second;
	uint32_t nth;
} pairs[] = {
	{ FAIL(accept, EMFILE, YOUNG | OWN, RUN), FAIL(epoll_ctl, ENOMEM, 0, RUN), 1 },
	{ FAIL(accept, EMFILE, YOUNG | OWN, RUN), FAIL(epoll_ctl, ENOMEM, 0, RUN), 5 },
	{ FAIL(accept, EMFILE, YOUNG, RUN), FAIL(accept, ENOMEM, 0, RUN), 1 },
	{ FAIL(accept, EMFILE, YOUNG, RUN), FAIL(clock_gettime, EINVAL, 0, RUN), 1 },
	{ FAIL(send, EAGAIN, OWN, RUN), FAIL(epoll_ctl, ENOMEM, 0, RUN), 8 },
	{ FAIL(send, EAGAIN, OWN, RUN), FAIL(send, EPIPE, 0, RUN), 4 },
	{ FAIL(send, EAGAIN, OWN, RUN), FAIL(recv, ECONNRESET, 0, RUN), 8 },
	{ HALF(send, 1, OWN, RUN), FAIL(send, EPIPE, 0, RUN), 6 },
	{ HALF(recv, 1, OWN, RUN), FAIL(recv, ECONNRESET, 0, RUN), 3 },
	{ FAIL(recv, ECONNRESET, OWN, RUN), FAIL(close, EIO, 0, RUN), 6 },
	{ FAIL(epoll_wait, EINTR, OWN, RUN), FAIL(recv, ECONNRESET, 0, RUN), 12 }
};

/* Under these a whole session is played, and faults too: bytes come and go one by one. */
static const struct {
	const char *name;
	uint32_t most, stutter;
} drips[] = { { "a byte at a time", 1, 0 }, { "stuttering", 0, 1 }, { "both", 1, 1 } };

/* In the first of them; not in a quick run. */
static const struct fault dripped[] = {
	FAIL(recv, ECONNRESET, OWN, RUN), FAIL(send, EPIPE, OWN, RUN),
	FAIL(epoll_ctl, ENOMEM, OWN, RUN), HALF(epoll_wait, 10, NOBODY, RUN)
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct job {
	const char *program;
	bool tls;
	unsigned where;
	const struct fault *fault;   /* the first of them; NULL with a drip alone */
	size_t count;                /* of faults, one after the other in the same server */
	const struct fault *second;  /* NULL: none */
	uint32_t nth;                /* of the first of two */
	int drip;                    /* -1: none */
	unsigned number;             /* so that jobs of a quick run try different places */
};

/* What a job's process tells; shared. */
struct progress {
	size_t fault;                /* that is tried, of the job's, and at which place */
	uint32_t place;
	uint32_t injected, survived;
	uint32_t served, refused;    /* starts */
};

struct running {
	struct job job;
	struct progress *progress;
	pid_t pid;                   /* 0: none */
	FILE *output;
	double started;
	unsigned failures;
};

static struct {
	struct settings settings;
	bool quick, verbose;
	const char *only;
	struct running running[JOBS_MAX];
	size_t at_once;
	struct job *jobs;
	size_t count, next;
	unsigned long injected, survived, served, refused, dripped, failed;
} all;

/* In a job's process. */
static const struct job *current;
static const struct fault *fault;        /* that is tried */
static struct progress *progress;

#define NAME_OF(name) #name,

static const char *const call_names[] = { FAULT_CALLS(NAME_OF) };

/* --- in a job's process --- */

static struct fault_rule rule_of(const struct fault *of, uint32_t nth)
{
	struct fault_rule rule = { .call = of->call, .kind = of->kind, .error = of->error,
		.nth = nth, .times = of->times };

	return rule;
}

static void place_note(uint32_t place)
{
	progress->place = place;
	if (fault != NULL)
		test_case("%s fails with %s at place %u%s%s", call_names[fault->call],
		    fault->kind == FAULT_HALF ? "half" : strerror(fault->error),
		    (unsigned)place, current->second != NULL ? ", which is that of " : "",
		    current->second != NULL ? call_names[current->second->call] : "");
}

/* How far apart places are that are tried, when there are so many: a power of 2, so that a call
 * more or less changes nothing. */
static uint32_t stride_of(uint32_t seen)
{
	uint32_t places = current->where == RUN ? QUICK_PLACES : QUICK_STARTS, stride = 1;

	if (current->drip >= 0)
		places = DRIP_PLACES;
	while ((all.quick || current->drip >= 0) && seen / stride >= 2 * places)
		stride *= 2;
	return stride;
}

static void fault_arm(struct fault_plan *plan, uint32_t place)
{
	struct fault_rule first, second;

	if (fault == NULL) {
		plan_arm(plan, NULL, NULL);
		return;
	}
	first = rule_of(fault, current->second != NULL ? current->nth : place);
	if (current->second != NULL)
		second = rule_of(current->second, place);
	plan_arm(plan, &first, current->second != NULL ? &second : NULL);
}

/* Did the rule strike that has a place? */
static bool struck_at_place(const struct fault_plan *plan)
{
	return fault != NULL && plan->struck > (current->second != NULL ? fault->times : 0);
}

/* The first place to try: behind one that failed, or for each job another one. */
static uint32_t place_first(uint32_t stride)
{
	return progress->place > 0 ? progress->place + 1 :
	    1 + (current->number + (uint32_t)progress->fault * 3) % stride;
}

/* A session with a fault at this place; false: there is no such place. */
static bool place_try(struct fault_plan *plan, uint32_t place)
{
	bool whole, there;
	uint32_t struck;

	place_note(place);
	fault_arm(plan, place);
	whole = scene_play();
	plan_disarm(plan);
	struck = plan->struck;
	there = struck_at_place(plan);
	CHECK(whole || struck != 0);
	progress->injected += struck;
	scene_verify();
	progress->survived += struck;
	return there;
}

/* How many calls of each kind a session makes, and that it is whole without a fault. */
static void places_count(struct fault_plan *plan)
{
	scene_hurt(NOBODY);
	plan_arm(plan, NULL, NULL);
	CHECK(scene_play());
	plan_disarm(plan);
	scene_verify();
}

static void run_job(void)
{
	struct fault_plan *plan = plan_make();
	uint32_t place, stride;

	plan->most = current->drip >= 0 ? drips[current->drip].most : 0;
	plan->stutter = current->drip >= 0 ? drips[current->drip].stutter : 0;
	scene_begin(server_start(NULL), plan, NOBODY);
	places_count(plan);
	for (; progress->fault < current->count; progress->fault++, progress->place = 0) {
		fault = current->fault + progress->fault;
		scene_hurt(fault->hurt);
		stride = stride_of(plan->seen[current->second != NULL ? current->second->call :
		    fault->call]);
		for (place = place_first(stride); place_try(plan, place); place += stride) {
			if (!(fault->hurt & OUTPUT))
				continue;
			scene_end();
			scene_begin(server_start(NULL), plan, fault->hurt);
		}
	}
	scene_end();
}

static void stop_job(void)
{
	struct fault_plan *plan = plan_make();
	struct fault_rule rule;
	uint32_t place, stride = 1;

	fault = current->fault;
	for (place = place_first(all.quick ? 4 : 1);; place += stride) {
		place_note(place);
		scene_begin(server_start(NULL), plan, fault->hurt);
		rule = rule_of(fault, place);
		scene_stop(&rule);
		plan_disarm(plan);
		progress->injected += plan->struck;
		progress->survived += plan->struck;
		if (plan->struck == 0)
			return;
		stride = stride_of(plan->seen[fault->call]);
	}
}

/* --- starting --- */

static void pipe_make(int ends[2])
{
	CHECK(pipe(ends) == 0);
	CHECK(fcntl(ends[0], F_SETFD, FD_CLOEXEC) == 0 && fcntl(ends[1], F_SETFD, FD_CLOEXEC) == 0);
	CHECK(fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0);
}

/* As server_start, but it need not come up. */
static struct server *server_try(const char *const *arguments)
{
	struct server *server = calloc(1, sizeof(*server));
	int out[2], err[2];

	CHECK(server != NULL);
	server_init(server);
	pipe_make(out);
	pipe_make(err);
	fflush(stdout);
	server->pid = fork();
	CHECK(server->pid >= 0);
	if (server->pid == 0) {
		(void)signal(SIGPIPE, SIG_DFL);
		if (dup2(out[1], 1) >= 0 && dup2(err[1], 2) >= 0)
			(void)execv(arguments[0], (char *const *)(uintptr_t)arguments);
		_exit(127);
	}
	(void)close(out[1]);
	(void)close(err[1]);
	server->out = out[0];
	server->err = err[0];
	return server;
}

/*
 * It serves by IPv4, or else by IPv6, where a machine may lack one; and unless it says which one it
 * lacks, by both.
 */
static void families_try(struct server *server, bool both)
{
	static const int families[] = { AF_INET6, AF_INET };
	struct client *client;
	size_t i, count = 0;

	for (i = 0; i < 2; i++) {
		client = client_try(server, families[i], 0);
		if (client == NULL)
			continue;
		client_close(client);
		server->family = families[i];
		count++;
	}
	if (count == 0 || (count == 1 && both && machine_has_ipv6() &&
	    strstr(server->lines.bytes, "as the machine has no other: ") == NULL))
		check_failed(__FILE__, __LINE__, "it does not listen where it says: %s",
		    server->lines.bytes);
}

/* Wait for its first lines: false if it ends instead. */
static bool server_comes(struct server *server)
{
	static const char listening[] = "server listening on ", limits[] = "limits: ";
	char *line;

	server->stats = true;
	while ((line = server_line(server, 10)) != NULL) {
		if (strncmp(line, listening, sizeof(listening) - 1) == 0)
			server->port = atoi(line + sizeof(listening) - 1);
		if (strncmp(line, limits, sizeof(limits) - 1) != 0)
			continue;
		(void)server_line(server, 0);
		return true;
	}
	return false;
}

/* It has ended at the start: with one line on stderr, which says why. */
static void refusal_check(struct server *server)
{
	const char *line = server->errors.bytes, *end = strchr(line, '\n');
	int status;

	CHECK(server_wait(server, 5, true));
	line = server->errors.bytes;
	end = strchr(line, '\n');
	status = WIFEXITED(server->status) ? WEXITSTATUS(server->status) : -1;
	if (status != 1 && status != 2)
		check_failed(__FILE__, __LINE__, "status %d: %s", status, line);
	if (server->lines.len != 0)
		check_failed(__FILE__, __LINE__, "it has printed %s", server->lines.bytes);
	CHECK_NUMBER(status == 1 ? server->plain : server->stamped, 0);
	if (strncmp(line, "uwt: ", 5) != 0 || end == NULL || end[1] != '\0' ||
	    strstr(line, "Success") != NULL)
		check_failed(__FILE__, __LINE__, "it says `%s`", line);
	if (all.verbose)
		printf("%s %s: %s", call_names[fault->call], strerror(fault->error), line);
}

/* A socket file that nobody listens on, as a crash would leave it. */
static char *stale_make(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char *path = test_path("socket");
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)unlink(path);
	CHECK(fd >= 0 && strlen(path) < sizeof(address.sun_path));
	memcpy(address.sun_path, path, strlen(path));
	CHECK(bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	(void)close(fd);
	return format_text("unix:%s", path);
}

static void start_try(struct fault_plan *plan, const char *const *arguments, uint32_t place)
{
	struct fault_rule rule = rule_of(fault, place);
	struct server *server;
	uint32_t struck;

	plan_arm(plan, &rule, NULL);
	server = server_try(arguments);
	if (!server_comes(server)) {
		refusal_check(server);
		CHECK(plan->struck != 0);
		progress->refused++;
	} else {
		plan_disarm(plan);
		server->descriptors = server_descriptors(server);
		families_try(server, current->tls);
		struck = plan->struck;
		progress->served += struck != 0;
		scene_begin(server, plan, NOBODY);
		CHECK(scene_play());
		scene_verify();
		scene_end();
		plan->struck = struck;
	}
	plan_disarm(plan);
	if (server->out >= 0)
		(void)close(server->out);
	if (server->err >= 0)
		(void)close(server->err);
}

static void start_job(void)
{
	struct fault_plan *plan = plan_make();
	char *page = test_file("html", "<!doctype html><title>A page</title>");
	char *config = test_file("conf", format_text("index %s\nmax-torrents 1000\n", page));
	const char *plain[] = { all.settings.program, "-p", "0", "-H", stale_make(), "-H",
		"localhost", "--max-connections", "100", NULL };
	const char *secure[] = { all.settings.program, "-p", "0", "-c", config, PAIR("ec"),
		PAIR("rsa"), NULL };
	uint32_t place, stride = 1;

	fault = current->fault;
	for (place = place_first(all.quick ? 4 : 1);; place += stride) {
		place_note(place);
		(void)stale_make();
		start_try(plan, current->tls ? secure : plain, place);
		progress->injected += plan->struck;
		progress->survived += plan->struck;
		if (plan->struck == 0)
			return;
		stride = stride_of(plan->seen[fault->call]);
	}
}

static void job_run(void)
{
	all.settings.program = current->program;
	if (current->where == START)
		start_job();
	else if (current->where == STOP)
		stop_job();
	else
		run_job();
}

/* --- the jobs --- */

static void job_add(const struct job *job)
{
	struct job *jobs = realloc(all.jobs, (all.count + 1) * sizeof(*jobs));

	if (jobs == NULL) {
		perror("faults");
		exit(2);
	}
	if (all.only != NULL && (job->fault == NULL ||
	    strcmp(call_names[job->fault->call], all.only) != 0))
		return;
	all.jobs = jobs;
	all.jobs[all.count] = *job;
	all.jobs[all.count].number = (unsigned)all.count * 7;
	all.count++;
}

/* How many of the table's faults from here are of one call, and can share a server in sessions. */
static size_t faults_alike(size_t from)
{
	size_t count = 1;

	while (from + count < COUNT(faults) && faults[from + count].call == faults[from].call &&
	    faults[from + count].where & RUN && !(faults[from + count].hurt & OUTPUT) &&
	    !(faults[from].hurt & OUTPUT))
		count++;
	return count;
}

static void jobs_of_faults(struct job job)
{
	size_t i, alike = 0;

	for (i = 0; i < COUNT(faults); i++) {
		job.fault = &faults[i];
		job.count = 1;
		for (job.where = START; job.where <= STOP; job.where *= 2)
			if (faults[i].where & job.where)
				job_add(&job);
		job.where = RUN;
		if (i < alike || !(faults[i].where & RUN))
			continue;
		job.count = faults_alike(i);
		alike = i + job.count;
		job_add(&job);
	}
}

static void jobs_of_program(const char *program, bool tls)
{
	struct job job = { .program = program, .tls = tls, .where = RUN, .drip = -1 };
	size_t i;

	jobs_of_faults(job);
	job.count = 1;
	for (i = 0; i < COUNT(pairs); i++) {
		job.fault = &pairs[i].first;
		job.second = &pairs[i].second;
		job.nth = pairs[i].nth;
		job_add(&job);
	}
	job.fault = job.second = NULL;
	job.count = 0;
	for (i = 0; i < COUNT(drips); i++) {
		job.drip = (int)i;
		job_add(&job);
	}
	job.drip = 0;
	for (i = 0; i < COUNT(dripped) && !all.quick; i++) {
		job.fault = &dripped[i];
		job.count = 1;
		job_add(&job);
	}
}

static void job_start(struct running *running)
{
	const struct bb_test test = { "fault", job_run, 0, 0 };

	running->started = time_now();
	running->output = tmpfile();
	fflush(stdout);
	running->pid = running->output != NULL ? fork() : -1;
	if (running->pid < 0) {
		perror("faults");
		exit(2);
	}
	if (running->pid > 0) {
		(void)setpgid(running->pid, running->pid);
		return;
	}
	(void)setpgid(0, 0);
	if (dup2(fileno(running->output), 1) < 0 || dup2(fileno(running->output), 2) < 0)
		_exit(2);
	current = &running->job;
	progress = running->progress;
	all.settings.tls = current->tls;
	all.settings.program = current->program;
	test_run(&all.settings, &test);
}

static void job_print(struct running *running)
{
	char bytes[4096];
	size_t got;

	rewind(running->output);
	while ((got = fread(bytes, 1, sizeof(bytes), running->output)) != 0)
		(void)fwrite(bytes, 1, got, stdout);
}

static void job_say(const struct running *running, bool one)
{
	static const char *const wheres[] = { [RUN] = "run", [START] = "start", [STOP] = "stop" };
	const struct job *job = &running->job;
	const char *program = strrchr(job->program, '/');
	const struct fault *first = job->fault;

	printf("%s%s, %s: ", program != NULL ? program + 1 : job->program,
	    job->tls ? " with TLS" : "", wheres[job->where]);
	if (job->drip >= 0)
		printf("%s%s", drips[job->drip].name, first != NULL ? ", " : "");
	if (first != NULL)
		printf("%s", call_names[first->call]);
	if (first != NULL && (one || job->count == 1)) {
		first += one ? running->progress->fault : 0;
		printf(" %s%s", first->kind == FAULT_HALF ? "half" : strerror(first->error),
		    first->times > 1 ? " often" : "");
	}
	if (job->second != NULL)
		printf(", then %s %s", call_names[job->second->call],
		    strerror(job->second->error));
}

/* A job's process has ended, and is not reaped yet. False: it is to go on behind its failure. */
static bool job_end(struct running *running)
{
	struct progress *said = running->progress;
	int status = 0;
	bool good;

	(void)kill(-running->pid, SIGKILL);
	(void)waitpid(running->pid, &status, 0);
	running->pid = 0;
	good = WIFEXITED(status) && WEXITSTATUS(status) == 0;
	if (!good) {
		all.failed++;
		running->failures++;
		job_say(running, true);
		printf(": FAILED at place %u\n", (unsigned)said->place);
	}
	if (!good || all.verbose)
		job_print(running);
	(void)fclose(running->output);
	if (!good && running->failures < FAILURES_MAX && running->job.fault != NULL)
		return false;
	if (all.verbose && said->injected != 0) {
		job_say(running, false);
		printf(": %u faults, %u survived, %.2f s\n", (unsigned)said->injected,
		    (unsigned)said->survived, time_now() - running->started);
	}
	all.injected += said->injected;
	all.survived += said->survived;
	all.dripped += running->job.fault == NULL && good;
	all.served += said->served;
	all.refused += said->refused;
	fflush(stdout);
	return true;
}

static bool job_is_over(const struct running *running)
{
	siginfo_t info;

	memset(&info, 0, sizeof(info));
	(void)waitid(P_PID, (id_t)running->pid, &info, WEXITED | WNOHANG | WNOWAIT);
	return info.si_pid == running->pid || time_now() - running->started > JOB_SECONDS;
}

static void jobs_run(void)
{
	struct running *running;
	bool busy;
	size_t i;

	do {
		busy = false;
		for (i = 0; i < all.at_once; i++) {
			running = &all.running[i];
			if (running->pid != 0 && job_is_over(running) && !job_end(running))
				job_start(running);
			if (running->pid == 0 && all.next < all.count) {
				running->job = all.jobs[all.next++];
				running->failures = 0;
				memset(running->progress, 0, sizeof(*running->progress));
				job_start(running);
			}
			busy |= running->pid != 0;
		}
		time_wait(0.002);
	} while (busy);
}

/* --- the program --- */

static char **options_take(int argc, char **argv)
{
	int option;

	all.settings.divisor = 1;
	all.at_once = 6;
	while ((option = getopt(argc, argv, "t:qvj:c:")) != -1) {
		if (option == 't')
			all.settings.divisor = strtod(optarg, NULL);
		else if (option == 'q')
			all.quick = true;
		else if (option == 'v')
			all.verbose = true;
		else if (option == 'j')
			all.at_once = (size_t)atoi(optarg);
		else if (option == 'c')
			all.only = optarg;
		else
			exit(2);
	}
	if (all.at_once < 1 || all.at_once > JOBS_MAX || argv[optind] == NULL) {
		fprintf(stderr, "usage: faults [-t divisor] [-qv] [-j jobs] [-c call] "
		    "program...\n");
		exit(2);
	}
	return argv + optind;
}

int main(int argc, char **argv)
{
	char **programs = options_take(argc, argv), folder[] = "/tmp/faults-XXXXXX";
	size_t i;

	for (; *programs != NULL; programs++) {
		jobs_of_program(*programs, false);
		jobs_of_program(*programs, true);
	}
	if (mkdtemp(folder) == NULL) {
		perror("faults");
		return 2;
	}
	all.settings.folder = folder;
	for (i = 0; i < all.at_once; i++) {
		all.running[i].progress = mmap(NULL, sizeof(struct progress),
		    PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		if (all.running[i].progress == MAP_FAILED) {
			perror("faults");
			return 2;
		}
	}
	(void)signal(SIGPIPE, SIG_IGN);
	jobs_run();
	folder_remove(folder);
	printf("%lu faults injected, %lu survived (of starts with one %lu served, %lu ended with "
	    "their line); %lu sessions byte by byte\n", all.injected, all.survived, all.served,
	    all.refused, all.dripped);
	printf("%lu passed, %lu failed\n", all.survived + all.dripped, all.failed);
	return all.failed != 0 || all.survived == 0;
}
