/* program.c - see program.h */
#include "program.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>

#include "../inside.h"
#include "pem.h"

#define GUESTS_MAX 600
#define PROGRAMS_MAX 2
#define QUIET_ROUNDS 3          /* without anything that happens */
#define TRIES_MAX 100           /* ms for what the system delivers in its own time */

bool program_secure;

static struct guest *guests[GUESTS_MAX];
static struct program *programs[PROGRAMS_MAX];

/* -- the clock -------------------------------------------------------------------------- */

static uint64_t clock_now = 1000000;    /* ms */

int __wrap_clock_gettime(clockid_t clock, struct timespec *time);

int __wrap_clock_gettime(clockid_t clock, struct timespec *time)
{
	(void)clock;
	time->tv_sec = (time_t)(clock_now / 1000);
	time->tv_nsec = (long)(clock_now % 1000) * 1000000;
	return 0;
}

void clock_pass(uint32_t ms)
{
	clock_now += ms;
}

void pass(uint32_t ms)
{
	clock_pass(ms);
	pump();
}

/* -- bytes on their way ----------------------------------------------------------------- */

bool program_stuck;
static int64_t bytes_sent, bytes_received;

ssize_t __real_send(int fd, const void *data, size_t length, int flags);
ssize_t __wrap_send(int fd, const void *data, size_t length, int flags);
ssize_t __real_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t __real_recv(int fd, void *data, size_t length, int flags);
ssize_t __wrap_recv(int fd, void *data, size_t length, int flags);

ssize_t __wrap_send(int fd, const void *data, size_t length, int flags)
{
	ssize_t sent = program_stuck ? -1 : __real_send(fd, data, length, flags);

	if (program_stuck)
		errno = EAGAIN;
	bytes_sent += sent > 0 ? sent : 0;
	return sent;
}

ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags)
{
	ssize_t sent = program_stuck ? -1 : __real_sendmsg(fd, message, flags);

	if (program_stuck)
		errno = EAGAIN;
	bytes_sent += sent > 0 ? sent : 0;
	return sent;
}

ssize_t __wrap_recv(int fd, void *data, size_t length, int flags)
{
	ssize_t got = __real_recv(fd, data, length, flags);

	bytes_received += got > 0 ? got : 0;
	return got;
}

/* -- what the program is told ----------------------------------------------------------- */

static void tell(struct program *program, const char *what, const char *text)
{
	size_t room = sizeof program->told - program->told_length;
	int length = snprintf(program->told + program->told_length, room, "%s%s%s\n", what,
	    text[0] != '\0' ? " " : "", text);

	if (length < 0 || (size_t)length >= room)
		abort();
	program->told_length += (size_t)length;
}

static void meddle(struct program *program, const char *callback)
{
	if (program->meddle != NULL)
		program->meddle(program, callback);
}

static void told_change(struct program *program, const struct uwt_change *change)
{
	static const char *const names[UWT_EVENTS] = { "start", "complete", "update", "stop" };
	char text[80], address[UWT_ADDRESS_MAX];

	uwt_server_address(program->server, change->connection, address);
	snprintf(text, sizeof text, "%c %c %s", change->peer_id[0], change->info_hash[0], address);
	tell(program, names[change->event], text);
	program->connection = change->connection;
	meddle(program, names[change->event]);
}

static void told_start(void *context, const struct uwt_change *change)
{
	told_change(context, change);
	if (change->event != UWT_START)
		tell(context, "that is no start", "");
}

static void told_complete(void *context, const struct uwt_change *change)
{
	told_change(context, change);
	if (change->event != UWT_COMPLETE)
		tell(context, "that is no complete", "");
}

static void told_update(void *context, const struct uwt_change *change)
{
	told_change(context, change);
	if (change->event != UWT_UPDATE)
		tell(context, "that is no update", "");
}

static void told_stop(void *context, const struct uwt_change *change)
{
	told_change(context, change);
	if (change->event != UWT_STOP)
		tell(context, "that is no stop", "");
}

static void told_warning(void *context, const char *text)
{
	tell(context, "warning", text);
	meddle(context, "warning");
}

static void told_error(void *context, const char *text)
{
	tell(context, "error", text);
	meddle(context, "error");
}

static void told_turn(void *context)
{
	((struct program *)context)->turns++;
	meddle(context, "turn");
}

static void put(struct uwt_slice slice, char *text, size_t size)
{
	if (slice.text == NULL)
		snprintf(text, size, "none");
	else
		snprintf(text, size, "%.*s", (int)slice.length, slice.text);
}

static void told_opened(void *context, const struct uwt_request *request)
{
	struct program *program = context;
	char target[200], query[80];

	put(request->query, query, sizeof query);
	snprintf(target, sizeof target, "%.*s?%s", (int)request->path.length, request->path.text,
	    query);
	tell(program, "opened", target);
	program->opened++;
	program->connection = request->connection;
	meddle(program, "opened");
}

static void told_closed(void *context, uint64_t connection)
{
	struct program *program = context;

	tell(program, "closed", "");
	program->closed++;
	program->connection = connection;
	meddle(program, "closed");
}

/* -- what it is asked ------------------------------------------------------------------- */

static void put_headers(const struct uwt_request *request, struct asked *asked)
{
	struct uwt_slice rest = request->headers, name, value;
	size_t length = 0;

	while (uwt_header_next(&rest, &name, &value) && length < sizeof asked->headers)
		length += (size_t)snprintf(asked->headers + length, sizeof asked->headers - length,
		    "%.*s=%.*s;", (int)name.length, name.text, (int)value.length, value.text);
}

static void put_question(const struct uwt_question *question, struct asked *asked)
{
	const struct uwt_request *request = question->request;

	*asked = (struct asked){ .number = question->number, .connection = request->connection,
		.event = question->event, .answer = question->answer, .again = question->again,
		.secure = request->secure, .peer = (char)question->peer_id[0],
		.torrent = (char)question->info_hash[0] };
	put(question->left, asked->left, sizeof asked->left);
	put(question->message, asked->message, sizeof asked->message);
	put(request->method, asked->method, sizeof asked->method);
	put(request->target, asked->target, sizeof asked->target);
	put(request->path, asked->path, sizeof asked->path);
	put(request->query, asked->query, sizeof asked->query);
	put(uwt_request_header(request, "x-kEY"), asked->key, sizeof asked->key);
	put_headers(request, asked);
	snprintf(asked->address, sizeof asked->address, "%s", request->address);
}

static struct uwt_verdict filter(void *context, const struct uwt_question *question)
{
	struct program *program = context;

	if (program->asked_count == ASKED_MAX)
		abort();
	put_question(question, &program->asked[program->asked_count++]);
	program->connection = question->request->connection;
	meddle(program, "filter");
	return program->verdict;
}

static bool http(void *context, const struct uwt_request *request, struct uwt_page *page)
{
	struct program *program = context;
	char text[200];

	snprintf(text, sizeof text, "%.*s %.*s %s", (int)request->method.length,
	    request->method.text, (int)request->path.length, request->path.text,
	    request->address);
	tell(program, "http", text);
	program->connection = request->connection;
	meddle(program, "http");
	if (program->page.status == 0)
		return false;
	*page = program->page;
	return true;
}

const struct asked *program_asked(const struct program *program, unsigned ago)
{
	static const struct asked none;

	return ago < program->asked_count ? &program->asked[program->asked_count - 1 - ago] :
	    &none;
}

void program_answer(struct program *program, uint64_t question, const char *reason)
{
	const struct uwt_verdict verdict = { reason == NULL ? UWT_ALLOW : UWT_REFUSE, reason, 0 };

	uwt_server_answer(program->server, question, &verdict);
}

const char *program_told(struct program *program)
{
	static char text[sizeof program->told];

	memcpy(text, program->told, program->told_length);
	text[program->told_length] = '\0';
	program->told_length = 0;
	return text;
}

/* -- its life --------------------------------------------------------------------------- */

void program_options(struct program *program, struct uwt_options *options)
{
	uwt_options_init(options);
	options->max_connections = 600;
	options->max_peers = options->max_torrents = 2000;
	options->buffer_memory = 4 << 20;
	options->tls = program_secure;
	options->tls_sessions = 16;
	options->callbacks = (struct uwt_callbacks){ .context = program,
		.event = { told_start, told_complete, told_update, told_stop },
		.warning = told_warning, .error = told_error, .turn = told_turn, .filter = filter,
		.http = http, .opened = told_opened, .closed = told_closed };
}

static bool give_keys(struct uwt_server *server, char error[UWT_ERROR_MAX])
{
	const struct uwt_pair pair = { pem_ec_certificate, sizeof pem_ec_certificate - 1,
		pem_ec_key, sizeof pem_ec_key - 1 };
	size_t wrong;

	return uwt_server_keys(server, &pair, 1, &wrong, error);
}

bool program_begin(struct program *program, const struct uwt_options *options)
{
	const char *const addresses[] = { "127.0.0.1" };
	struct uwt_options usual;
	char error[UWT_ERROR_MAX] = "";
	const char *single;
	size_t place = programs[0] == NULL ? 0 : 1;

	memset(program, 0, sizeof *program);
	program_options(program, &usual);
	program->server = uwt_server_new(options != NULL ? options : &usual, error);
	if (program->server == NULL || (program_secure && !give_keys(program->server, error)) ||
	    !uwt_server_listen(program->server, addresses, 1, 0, &program->port, &single, error)) {
		printf("cannot begin: %s\n", error);
		uwt_server_free(program->server);
		program->server = NULL;
		return false;
	}
	programs[place] = program;
	return true;
}

static void all_leave(void)
{
	size_t i;

	for (i = 0; i < GUESTS_MAX; i++) {
		if (guests[i] != NULL)
			guest_leave(guests[i]);
		guests[i] = NULL;
	}
}

/* Connections that ended, of whatever cause. */
static uint64_t ended(const struct uwt_server *server)
{
	uint64_t sum = 0;
	int i;

	for (i = COUNT_ENDED_FIRST; i <= COUNT_ENDED_LAST; i++)
		sum += server->counters.of[i];
	return sum;
}

/* What is not as it was at the start? */
static const char *left_over(const struct program *program)
{
	const struct uwt_server *server = program->server;
	struct uwt_counts counts = uwt_server_counts(server);
	uint32_t i;

	if (counts.connections != 0)
		return "connections are left";
	if (counts.members != 0 || counts.peers != 0 || counts.torrents != 0)
		return "members are left";
	if (buf_pool_used(server->pool) != 0)
		return "buffers are left";
	if (program->opened != program->closed)
		return "not as many were closed as opened";
	if (server->answered != 0)
		return "answers are left";
	for (i = 1; server->asks != NULL && i <= server->conns.used; i++) {
		if (server->asks[i].state != ASK_NONE || server->asks[i].head.length != 0)
			return "a question is left";
	}
	if (server->counters.of[COUNT_ACCEPTED] != ended(server) || server->websockets != 0 ||
	    server->monitors != 0)
		return "not every end was counted";
	return swarm_check(tracker_swarm(server->tracker));
}

void program_forget(struct program *program)
{
	size_t i;

	all_leave();
	for (i = 0; i < PROGRAMS_MAX; i++) {
		if (programs[i] == program)
			programs[i] = NULL;
	}
}

const char *program_end(struct program *program)
{
	const char *fault;
	int tries = 0;

	program->meddle = NULL;
	all_leave();
	pump();
	pass(UWT_ANSWER_TIME);  /* for those that wait or linger */
	while (uwt_server_counts(program->server).connections > 0 && tries < TRIES_MAX)
		pump_on(&tries);
	fault = left_over(program);
	program_forget(program);
	uwt_server_free(program->server);
	program->server = NULL;
	return fault;
}

/* -- guests ----------------------------------------------------------------------------- */

static struct guest *welcome_guest(struct guest *guest)
{
	size_t i = 0;

	if (guest == NULL)
		abort();
	while (guests[i] != NULL)
		i++;
	guests[i] = guest;
	pump();
	return guest;
}

static uint32_t connections(void)
{
	uint32_t count = 0;
	size_t i;

	for (i = 0; i < PROGRAMS_MAX; i++)
		count += programs[i] != NULL ? uwt_server_counts(programs[i]->server).connections :
		    0;
	return count;
}

struct guest *visit(struct program *program, const char *target, const char *headers)
{
	return welcome_guest(guest_open(program->port, program_secure, target, headers));
}

struct guest *visit_plainly(struct program *program)
{
	uint32_t before = connections();
	struct guest *guest = welcome_guest(guest_connect(program->port, program_secure));
	int tries = 0;

	while (connections() <= before && tries < TRIES_MAX)
		pump_on(&tries);
	return guest;
}

void let_go(struct guest *guest, void (*leave)(struct guest *))
{
	uint32_t before = connections();
	int tries = 0;
	size_t i = 0;

	while (guests[i] != guest)
		i++;
	guests[i] = NULL;
	leave(guest);
	pump();
	while (connections() >= before && tries < TRIES_MAX)
		pump_on(&tries);
}

static bool step_all(void)
{
	int64_t before = bytes_sent + bytes_received;
	bool any = false;
	size_t i;

	for (i = 0; i < PROGRAMS_MAX; i++) {
		if (programs[i] != NULL)
			uwt_server_turn(programs[i]->server, 0);
	}
	for (i = 0; i < GUESTS_MAX; i++) {
		if (guests[i] != NULL)
			any |= guest_step(guests[i]);
	}
	return any || bytes_sent + bytes_received != before;
}

/* Bytes that have arrived at a socket and were not read. */
static int64_t arrived(int fd)
{
	int count = 0;

	return ioctl(fd, FIONREAD, &count) == 0 ? count : 0;
}

/* Is anything on its way, from guests to servers or back? */
static bool in_flight(void)
{
	int64_t count = bytes_sent - bytes_received;
	size_t i;
	uint32_t n;

	if (count == 0)
		return false;
	for (i = 0; i < GUESTS_MAX; i++)
		count -= guests[i] != NULL ? arrived(guest_descriptor(guests[i])) : 0;
	for (i = 0; i < PROGRAMS_MAX; i++) {
		const struct conns *conns = programs[i] == NULL ? NULL : &programs[i]->server->conns;

		for (n = 1; conns != NULL && n <= conns->used; n++)
			count -= conns->at[n].state != CONN_FREE ? arrived(conns->at[n].fd) : 0;
	}
	return count > 0;
}

static void rest(void)
{
	poll(NULL, 0, 1);
}

void pump(void)
{
	int quiet = 0, tries = 0;

	while (quiet < QUIET_ROUNDS) {
		if (step_all()) {
			quiet = 0;
		} else if (tries < TRIES_MAX && in_flight()) {
			tries++;
			rest();
		} else {
			quiet++;
		}
	}
	/* What did not arrive by now went down with its socket. */
	if (tries == TRIES_MAX)
		bytes_sent = bytes_received;
}

void pump_on(int *tries)
{
	(*tries)++;
	rest();
	pump();
}

/* -- messages --------------------------------------------------------------------------- */

const char *announce(char peer, char torrent, const char *more)
{
	static char texts[8][1200];
	static unsigned next;
	char *text = texts[next++ % 8], peer_id[21] = "", info_hash[21] = "";

	memset(peer_id, peer, 20);
	memset(info_hash, torrent, 20);
	snprintf(text, sizeof texts[0], "{\"action\":\"announce\",\"info_hash\":\"%s\","
	    "\"peer_id\":\"%s\"%s}", info_hash, peer_id, more);
	return text;
}

const char *reply(unsigned complete, unsigned incomplete, char torrent)
{
	static char texts[4][200];
	static unsigned next;
	char *text = texts[next++ % 4], info_hash[21] = "";

	memset(info_hash, torrent, 20);
	snprintf(text, sizeof texts[0], "{\"complete\":%u,\"incomplete\":%u,"
	    "\"action\":\"announce\",\"interval\":120,\"info_hash\":\"%s\"}\n", complete,
	    incomplete, info_hash);
	return text;
}

const char *failure(char torrent, const char *reason)
{
	static char texts[4][400];
	static unsigned next;
	char *text = texts[next++ % 4], info_hash[21] = "";

	memset(info_hash, torrent, 20);
	snprintf(text, sizeof texts[0], "{\"action\":\"announce\",\"failure reason\":\"%s\","
	    "\"info_hash\":\"%s\"}\n", reason, info_hash);
	return text;
}

/* -- looking ---------------------------------------------------------------------------- */

bool same(const char *got, const char *wanted)
{
	bool equal = strcmp(got, wanted) == 0;

	if (!equal)
		printf("got:\n%s\nwanted:\n%s\n", got, wanted);
	return equal;
}

bool told(struct program *program, const char *wanted)
{
	int tries = 0;

	while (program->told_length < strlen(wanted) && tries < TRIES_MAX)
		pump_on(&tries);
	return same(program_told(program), wanted);
}

bool hears(struct guest *guest, const char *first, const char *second)
{
	char wanted[8000];
	int tries = 0;

	snprintf(wanted, sizeof wanted, "%s%s", first, second);
	while (guest_heard_length(guest) < strlen(wanted) && !guest_ended(guest) &&
	    tries < TRIES_MAX)
		pump_on(&tries);
	return same(guest_heard(guest), wanted);
}
