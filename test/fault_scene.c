/* fault_scene.c - see fault_scene.h */
#define _GNU_SOURCE     /* POLLRDHUP */
#include "fault_scene.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE 5.0

enum role { WITNESS, OTHER_WITNESS, CALLER, CALLEE, READER, SLOW, STRANGER, LATE, ROLES };

struct peer {
	struct client *client;   /* NULL: not there */
	struct id id;
	uint16_t port;
	bool announced;
};

static struct {
	struct server *server;
	struct fault_plan *plan;
	unsigned hurt;
	struct id hash;          /* of the witnesses */
	struct peer peers[ROLES];
	jmp_buf cut;
} scene;

/* --- the plan --- */

struct fault_plan *plan_make(void)
{
	char *path = test_path("plan");
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	void *plan;

	CHECK(fd >= 0 && ftruncate(fd, sizeof(struct fault_plan)) == 0);
	plan = mmap(NULL, sizeof(struct fault_plan), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(plan != MAP_FAILED);
	(void)close(fd);
	CHECK(setenv(FAULT_VARIABLE, path, 1) == 0);
	return plan;
}

void plan_arm(struct fault_plan *plan, const struct fault_rule *rule,
    const struct fault_rule *second)
{
	static const struct fault_rule none;

	plan_disarm(plan);
	plan->rule = rule != NULL ? *rule : none;
	plan->second = second != NULL ? *second : none;
	memset(plan->seen, 0, sizeof(plan->seen));
	memset(plan->later, 0, sizeof(plan->later));
	memset(plan->ports, 0, sizeof(plan->ports));
	plan->struck = 0;
	__atomic_store_n(&plan->armed, 1, __ATOMIC_SEQ_CST);
}

void plan_disarm(struct fault_plan *plan)
{
	__atomic_store_n(&plan->armed, 0, __ATOMIC_SEQ_CST);
}

/* --- what may be lost --- */

static bool peer_struck(const struct peer *peer)
{
	uint32_t i;

	for (i = 0; i < scene.plan->struck && i < FAULT_PORTS; i++)
		if (scene.plan->ports[i] == peer->port && peer->port != 0)
			return true;
	return false;
}

static bool peer_may_end(const struct peer *peer)
{
	return (scene.hurt & OWN && peer_struck(peer)) ||
	    (scene.hurt & YOUNG && scene.plan->struck != 0 && !peer->announced);
}

/* Has one ended that may, and on whom others depend? To hang is not to end. */
static bool somebody_has_ended(void)
{
	struct pollfd ready = { .events = POLLRDHUP };
	const struct client *client;
	size_t i;

	for (i = 0; i < ROLES; i++) {
		client = scene.peers[i].client;
		if (client == NULL || !(scene.hurt & OWN) || !peer_struck(&scene.peers[i]))
			continue;
		ready.fd = client->fd;
		if (client->ended || client->fd < 0 || poll(&ready, 1, 0) > 0)
			return true;
	}
	return false;
}

static const char *const names[ROLES] = {
	"the witness", "the other witness", "the caller", "the callee", "the reader",
	"the slow one", "the stranger", "the late one"
};

/* Something is not as it would be without a fault. */
static _Noreturn FORMAT(3, 4) void amiss(int line, const struct peer *peer, const char *format, ...)
{
	char what[500];
	va_list list;

	if (peer->client->ended ? peer_may_end(peer) : somebody_has_ended())
		longjmp(scene.cut, 1);
	va_start(list, format);
	(void)vsnprintf(what, sizeof(what), format, list);
	va_end(list);
	check_failed(__FILE__, line, "%s: %s", names[peer - scene.peers], what);
}

/* --- clients --- */

static struct peer *peer_come(enum role role, bool tls)
{
	struct peer *peer = &scene.peers[role];
	struct sockaddr_storage address;
	socklen_t length = sizeof(address);

	*peer = (struct peer) { .client = client_try(scene.server, scene.server->family, 0),
		.id = id_peer() };
	CHECK(peer->client != NULL);
	if (!tls)
		client_bare(peer->client);
	CHECK(getsockname(peer->client->fd, (struct sockaddr *)&address, &length) == 0);
	peer->port = ntohs(address.ss_family == AF_INET6 ?
	    ((struct sockaddr_in6 *)&address)->sin6_port :
	    ((struct sockaddr_in *)&address)->sin_port);
	return peer;
}

static void peer_leave(enum role role)
{
	struct client *client = scene.peers[role].client;

	if (client != NULL)
		client_close(client);
	scene.peers[role].client = NULL;
}

/*
 * Leave, and let the server notice before anything else happens: with what comes next in one wait,
 * or in two, the places of a session would not be the same each time.
 */
static void peer_leaves_noticed(enum role role)
{
	uint32_t before = __atomic_load_n(&scene.plan->waits, __ATOMIC_SEQ_CST);
	double until = time_now() + 0.1;

	peer_leave(role);
	while (__atomic_load_n(&scene.plan->waits, __ATOMIC_SEQ_CST) == before &&
	    time_now() < until)
		time_wait(0.0002);
}

/* Forget clients that have left: there are thousands. */
static void clients_sweep(void)
{
	struct client **at = &scene.server->clients, *client;

	while ((client = *at) != NULL) {
		if (client->fd >= 0) {
			at = &client->next;
			continue;
		}
		*at = client->next;
		free(client->in.bytes);
		free(client);
	}
}

static void peer_hears_frame(int line, struct peer *peer, struct frame *frame)
{
	double until = time_now() + PATIENCE;
	enum next next;

	while ((next = client_next(peer->client, frame, 0.05)) != NEXT_FRAME) {
		if (next == NEXT_END)
			amiss(line, peer, "its connection ended");
		if (somebody_has_ended() || time_now() >= until)
			amiss(line, peer, "it hears nothing");
	}
}

#define HEARS(peer, ...) peer_hears(__LINE__, peer, __VA_ARGS__)

/* The next message is exactly this. */
static FORMAT(3, 4) void peer_hears(int line, struct peer *peer, const char *format, ...)
{
	char want[1000], *quoted = text_quoted(format);
	struct frame frame;
	va_list list;

	va_start(list, format);
	(void)vsnprintf(want, sizeof(want), quoted, list);
	va_end(list);
	free(quoted);
	peer_hears_frame(line, peer, &frame);
	if (frame.opcode != TEXT || strcmp(frame.payload, want) != 0)
		amiss(line, peer, "got  %s\n    want %s",
		    text_shown(frame.payload, frame.len), want);
	free(frame.payload);
}

#define HEARS_REPLY(peer, complete, incomplete, hash) \
	HEARS(peer, "{'complete':%d,'incomplete':%d,'action':'announce','interval':120," \
	    "'info_hash':'%s'}", complete, incomplete, (hash).text)

static void peer_ends(int line, struct peer *peer)
{
	if (!client_ends(peer->client, PATIENCE))
		amiss(line, peer, "its connection does not end");
}

static void peer_closed(int line, struct peer *peer, int code)
{
	struct frame frame;

	peer_hears_frame(line, peer, &frame);
	if (frame.opcode != CLOSE || frame.len != 2 ||
	    ((unsigned char)frame.payload[0] << 8 | (unsigned char)frame.payload[1]) != code)
		amiss(line, peer, "opcode %d instead of a close frame with %d", frame.opcode, code);
	free(frame.payload);
	if (!peer->client->closing)
		client_frame(peer->client, FIN | CLOSE, "\x03\xe8", 2);
	peer_ends(line, peer);
}

/* Receive so many bytes behind what was used. */
static void peer_reads(int line, struct peer *peer, size_t len)
{
	struct client *client = peer->client;
	struct pollfd ready = { .fd = client->fd, .events = POLLIN };
	double until = time_now() + PATIENCE;
	char bytes[4096];
	ssize_t got;

	while (client->in.len - client->taken < len) {
		got = client->channel != NULL ? channel_receive(client, bytes, sizeof(bytes)) :
		    recv(client->fd, bytes, sizeof(bytes), 0);
		if (got > 0) {
			text_add(&client->in, bytes, (size_t)got);
			continue;
		}
		client->ended = got == 0 || (errno != EAGAIN && errno != EINTR);
		if (client->ended || time_now() >= until)
			amiss(line, peer, "it reads less than %zu bytes", len);
		(void)poll(&ready, 1, 50);
	}
}

/* The answer's body, or "" without one. */
static char *peer_asks(int line, struct peer *peer, const char *request, int status)
{
	struct client *client = peer->client;
	struct reply reply;
	size_t len = 0;
	char *body;

	client_print(client, "%s HTTP/1.1\r\nHost: localhost\r\n\r\n", request);
	reply = client_reply_head(client);
	if (reply.status != status)
		amiss(line, peer, "status %d for %s", reply.status, request);
	if (strncmp(request, "HEAD", 4) != 0)
		len = (size_t)strtoul(reply_header(&reply, "Content-Length"), NULL, 10);
	peer_reads(line, peer, len);
	body = format_text("%.*s", (int)len, client->in.bytes + client->taken);
	client->taken += len;
	free(reply.head);
	return body;
}

static void peer_shakes(int line, struct peer *peer)
{
	struct reply reply;

	client_print(peer->client, "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
	    "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	    "Sec-WebSocket-Version: 13\r\n\r\n");
	reply = client_reply(peer->client);
	if (reply.status != 101)
		amiss(line, peer, "status %d for the upgrade", reply.status);
	free(reply.head);
}

static void peer_announces(struct peer *peer, struct id hash, char *extra)
{
	client_announce(peer->client, hash, peer->id, extra);
}

static void peer_joins(int line, struct peer *peer, struct id hash, int complete, int incomplete)
{
	peer_announces(peer, hash, complete == 0 ? "" : ",'event':'started','left':0");
	peer_hears(line, peer, "{'complete':%d,'incomplete':%d,'action':'announce','interval':120,"
	    "'info_hash':'%s'}", complete, incomplete, hash.text);
	peer->announced = true;
}

/* --- lines of the server --- */

static void lines_skip(void)
{
	while (server_line(scene.server, 0) != NULL)
		continue;
}

/* Is a line of the server in sight that begins so? Those before it are passed over. */
static bool line_seen(const char *start)
{
	char *line;

	while ((line = server_line(scene.server, 0)) != NULL)
		if (strncmp(line, start, strlen(start)) == 0)
			return true;
	return false;
}

/* Wait a little, then have the server do a turn: lines that could not be written go with it. */
static void turn_make(int line)
{
	struct peer *witness = &scene.peers[OTHER_WITNESS];
	struct frame frame;

	time_wait(0.005);
	client_frame(witness->client, FIN | PING, "turn", 4);
	peer_hears_frame(line, witness, &frame);
	CHECK(frame.opcode == PONG);
	free(frame.payload);
}

/* Is what is awaited lost, as all output is? */
static bool output_lost(void)
{
	return scene.hurt & OUTPUT && scene.plan->struck != 0;
}

/* It says on stderr that the certificates stay, in one line. */
static bool stays(void)
{
	struct text *errors = &scene.server->errors;
	static const char start[] = "uwt: not reloaded, the certificates before stay in force: ";

	(void)server_line(scene.server, 0);
	if (errors->len == 0 || strchr(errors->bytes, '\n') == NULL)
		return false;
	CHECK(strncmp(errors->bytes, start, sizeof(start) - 1) == 0);
	CHECK(strchr(errors->bytes, '\n') == errors->bytes + errors->len - 1);
	CHECK_LACKS(errors->bytes, "Success");
	errors->len = 0;
	errors->bytes[0] = '\0';
	return true;
}

static void certificates_reload(void)
{
	double until = time_now() + PATIENCE;

	if (!test_is_tls())
		return;
	CHECK(kill(scene.server->pid, SIGHUP) == 0);
	while (!line_seen("certificates reloaded")) {
		if ((scene.hurt & RELOAD && scene.plan->struck != 0 && stays()) || output_lost())
			return;
		if (time_now() >= until)
			check_failed(__FILE__, __LINE__, "the certificates are not reloaded");
		turn_make(__LINE__);
	}
}

/* --- the session --- */

/* An offer goes from one to the other, and an answer back. */
static void peers_meet(int line, struct peer *from, struct peer *to, struct id hash, int complete,
    int incomplete)
{
	peer_announces(from, hash, format_text("%s%s", offers_made(1),
	    complete == 0 ? "" : ",'left':0"));
	peer_hears(line, from, "{'complete':%d,'incomplete':%d,'action':'announce','interval':120,"
	    "'info_hash':'%s'}", complete, incomplete, hash.text);
	from->announced = true;
	peer_hears(line, to, "{'action':'announce','offer':{'type':'offer','sdp':'sdp 0'},"
	    "'offer_id':'offer 0','peer_id':'%s','info_hash':'%s'}", from->id.text, hash.text);
	peer_announces(to, hash, answer_made(from->id));
	peer_hears(line, from, "{'action':'announce','answer':{'type':'answer','sdp':'reply'},"
	    "'offer_id':'offer 0','peer_id':'%s','info_hash':'%s'}", to->id.text, hash.text);
}

static void witnesses_meet(int line)
{
	peers_meet(line, &scene.peers[WITNESS], &scene.peers[OTHER_WITNESS], scene.hash, 0, 2);
}

/* A handshake of TLS that is not over while the others play. */
static void slow_begins(struct peer *slow)
{
	struct pollfd ready = { .fd = slow->client->fd, .events = POLLIN };
	struct text hello = client_hello(slow->client);

	CHECK(send(slow->client->fd, hello.bytes, hello.len, 0) == (ssize_t)hello.len);
	free(hello.bytes);
	(void)poll(&ready, 1, (int)(PATIENCE * 1000));
}

static void slow_ends(struct peer *slow)
{
	if (!client_agree(slow->client, PATIENCE)) {
		slow->client->ended = true;
		amiss(__LINE__, slow, "its handshake fails");
	}
	peer_shakes(__LINE__, slow);
	peer_leaves_noticed(SLOW);
}

static void reader_reads(void)
{
	struct peer *reader = peer_come(READER, test_is_tls());
	char *body = peer_asks(__LINE__, reader, "GET /stats.json", 200);

	if (json_number(body, "peersAll") != 4)
		amiss(__LINE__, reader, "it reads %s", body);
	free(body);
	free(peer_asks(__LINE__, reader, "GET /", 200));
	free(peer_asks(__LINE__, reader, "HEAD /stats", 200));
	free(peer_asks(__LINE__, reader, "GET /none", 404));
}

/* One that breaks the protocol. */
static void stranger_errs(void)
{
	struct peer *stranger = peer_come(STRANGER, false);

	peer_shakes(__LINE__, stranger);
	client_write(stranger->client, "\x81\x02{}", 4);
	peer_closed(__LINE__, stranger, 1002);
	peer_leaves_noticed(STRANGER);
}

static void late_comes(struct id hash)
{
	struct peer *late = peer_come(LATE, test_is_tls());

	peer_shakes(__LINE__, late);
	peer_joins(__LINE__, late, hash, 0, 1);
	client_frame(late->client, FIN | CLOSE, "\x03\xe8", 2);
	late->client->closing = true;
	peer_closed(__LINE__, late, 1000);
	peer_leave(LATE);
}

static void caller_asks(struct peer *caller, struct id hash)
{
	struct frame frame;

	client_say(caller->client, "{'action':'scrape','info_hash':'%s'}", hash.text);
	HEARS(caller, "{'action':'scrape','files':{'%s':{'complete':1,'incomplete':1,"
	    "'downloaded':0}},'flags':{'min_request_interval':120}}", hash.text);
	client_frame(caller->client, FIN | PING, "payload", 7);
	peer_hears_frame(__LINE__, caller, &frame);
	if (frame.opcode != PONG || strcmp(frame.payload, "payload") != 0)
		amiss(__LINE__, caller, "no pong");
	free(frame.payload);
	client_say_text(caller->client, "no JSON");
	HEARS(caller, "{'failure reason':'invalid JSON'}");
}

/* The caller's end is told. */
static void caller_leaves(struct peer *caller)
{
	char *stop = format_text("stop: %s", id_hex(caller->id));
	double until = time_now() + PATIENCE;

	client_close(caller->client);
	while (!line_seen(stop)) {
		if (output_lost() || (scene.hurt & OWN && peer_struck(caller)))
			break;
		if (time_now() >= until)
			check_failed(__FILE__, __LINE__, "no line tells of the caller's end");
		turn_make(__LINE__);
	}
	peer_leave(CALLER);
	free(stop);
}

static void play(void)
{
	struct peer *caller, *callee, *slow = NULL;
	struct id hash = id_hash();

	if (test_is_tls())
		slow_begins(slow = peer_come(SLOW, true));
	caller = peer_come(CALLER, test_is_tls());
	peer_shakes(__LINE__, caller);
	callee = peer_come(CALLEE, false);
	peer_shakes(__LINE__, callee);
	peer_joins(__LINE__, callee, hash, 0, 1);
	peers_meet(__LINE__, caller, callee, hash, 1, 1);
	caller_asks(caller, hash);
	reader_reads();
	if (slow != NULL)
		slow_ends(slow);
	witnesses_meet(__LINE__);
	stranger_errs();
	certificates_reload();
	late_comes(id_hash());
	peer_announces(callee, hash, ",'event':'stopped'");
	HEARS_REPLY(callee, 1, 0, hash);
	caller_leaves(caller);
	witnesses_meet(__LINE__);
}

bool scene_play(void)
{
	if (setjmp(scene.cut) != 0)
		return false;
	play();
	return true;
}

/* --- before and after --- */

static void witness_come(enum role role)
{
	struct peer *peer = peer_come(role, test_is_tls() && role == WITNESS);

	peer_shakes(__LINE__, peer);
	peer_joins(__LINE__, peer, scene.hash, 0,
	    scene.peers[WITNESS + OTHER_WITNESS - role].client == NULL ? 1 : 2);
}

/* Wait a little for so many open descriptors: those who asked for the counts have just left. */
static bool descriptors_are(long count)
{
	int tries;

	for (tries = 0; tries < 10; tries++) {
		if (server_descriptors(scene.server) == count)
			return true;
		time_wait(0.002);
	}
	return false;
}

/* What is left of the session, as `key is N`; NULL: nothing. */
static char *left_over(long witnesses)
{
	static const char *const keys[] = { "connections", "peersAll", "memberships", "torrents",
		"buffersInUse" };
	const long wanted[] = { witnesses + 1, witnesses, witnesses, witnesses != 0, 0 };
	struct reply reply = http_get(scene.server, "/stats.json", "");
	size_t i;

	CHECK_NUMBER(reply.status, 200);
	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (json_number(reply.body, keys[i]) != wanted[i])
			return format_text("%s is %ld, not %ld", keys[i],
			    json_number(reply.body, keys[i]), wanted[i]);
	free(reply.body);
	free(reply.head);
	if (!descriptors_are(scene.server->descriptors + witnesses))
		return format_text("%ld descriptors are open, %ld at the start",
		    server_descriptors(scene.server), scene.server->descriptors);
	return NULL;
}

static void settle(long witnesses)
{
	double until = time_now() + PATIENCE;
	char *why;

	while ((why = left_over(witnesses)) != NULL) {
		if (time_now() >= until)
			check_failed(__FILE__, __LINE__, "when the session is over %s", why);
		time_wait(0.002);
	}
}

void scene_hurt(unsigned hurt)
{
	scene.hurt = hurt;
}

void scene_begin(struct server *server, struct fault_plan *plan, unsigned hurt)
{
	memset(scene.peers, 0, sizeof(scene.peers));
	scene.server = server;
	scene.plan = plan;
	scene.hurt = hurt;
	scene.hash = id_hash();
	plan_disarm(plan);
	plan->struck = 0;
	witness_come(WITNESS);
	witness_come(OTHER_WITNESS);
	witnesses_meet(__LINE__);
}

/* Pass over what a session that was cut left unread. */
static void peer_catches_up(struct peer *peer)
{
	static unsigned times;
	char payload[20];
	struct frame frame;

	(void)snprintf(payload, sizeof(payload), "up to here %u", times++);
	client_frame(peer->client, FIN | PING, payload, strlen(payload));
	do
		peer_hears_frame(__LINE__, peer, &frame);
	while (frame.opcode != PONG || strcmp(frame.payload, payload) != 0);
}

void scene_verify(void)
{
	long witnesses = 2;
	int role;

	for (role = OTHER_WITNESS + 1; role < ROLES; role++)
		peer_leave((enum role)role);
	for (role = WITNESS; role <= OTHER_WITNESS; role++)
		if (peer_may_end(&scene.peers[role])) {
			peer_leave((enum role)role);
			witnesses--;
		}
	scene.plan->struck = 0;
	settle(witnesses);
	for (role = WITNESS; role <= OTHER_WITNESS; role++)
		if (scene.peers[role].client == NULL)
			witness_come((enum role)role);
	for (role = WITNESS; role <= OTHER_WITNESS; role++)
		peer_catches_up(&scene.peers[role]);
	witnesses_meet(__LINE__);
	late_comes(id_hash());
	clients_sweep();
	lines_skip();
}

/* Told to stop, it ends in time and has nothing to complain about. */
static void server_stops(void)
{
	int role;

	if (!server_wait(scene.server, 2, true))
		check_failed(__FILE__, __LINE__, "SIGTERM does not end it");
	if (!WIFEXITED(scene.server->status) || WEXITSTATUS(scene.server->status) != 0)
		check_failed(__FILE__, __LINE__, "its status is %d", scene.server->status);
	if (scene.server->errors.len != 0)
		check_failed(__FILE__, __LINE__, "it complains: %s", scene.server->errors.bytes);
	for (role = 0; role < ROLES; role++)
		peer_leave((enum role)role);
}

void scene_end(void)
{
	peer_leave(WITNESS);
	peer_leave(OTHER_WITNESS);
	settle(0);
	CHECK(kill(scene.server->pid, SIGTERM) == 0);
	server_stops();
}

void scene_stop(const struct fault_rule *rule)
{
	int role;

	(void)peer_come(READER, test_is_tls());
	free(peer_asks(__LINE__, &scene.peers[READER], "GET /", 200));
	(void)peer_come(STRANGER, false);
	if (test_is_tls())
		slow_begins(peer_come(SLOW, true));
	witnesses_meet(__LINE__);
	plan_arm(scene.plan, rule, NULL);
	CHECK(kill(scene.server->pid, SIGTERM) == 0);
	for (role = WITNESS; role <= OTHER_WITNESS; role++) {
		if (setjmp(scene.cut) == 0)
			peer_closed(__LINE__, &scene.peers[role], 1001);
		peer_leave((enum role)role);
	}
	server_stops();
}
