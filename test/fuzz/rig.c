/* rig.c - see rig.h */
#include "rig.h"

#include "../../inside.h"
#include "../pem.h"
#include "check.h"
#include "fuzz.h"
#include "tree.h"
#include "judge.h"

#define SETTLE_TURNS 400        /* more is a server that never rests */
#define END_TURNS 5000
#define SPINS_MAX 150           /* turns, here of 1 ms, for a pause of 100 ms */
#define CHECKED_TURNS 300       /* of an input; later on, one of 32 is */

struct rig rig;

uint64_t rig_hash(const void *bytes, size_t length)
{
	const uint8_t *at = bytes;
	uint64_t hash = 0xcbf29ce484222325 + length;

	while (length-- > 0)
		hash = (hash ^ *at++) * 0x100000001b3;
	return hash;
}

void queue_add(struct queue *queue, uint64_t value)
{
	if (queue->count == queue->max) {
		queue->max = 2 * queue->max + 16;
		queue->at = realloc(queue->at, queue->max * sizeof queue->at[0]);
		if (queue->at == NULL)
			abort();
	}
	queue->at[queue->count++] = value;
}

/* -- what passes between the server's files ------------------------------------------------ */

/* The client of a connection; NULL if it is none of the rig's. */
static struct client *client_of(uint32_t number)
{
	int peer = rig.server->conns.at[number].fd - WORLD_FD, i;

	for (i = 0; i < RIG_CLIENTS; i++) {
		if (rig.clients[i].used && rig.clients[i].peer == peer)
			return &rig.clients[i];
	}
	return NULL;
}

static void step(enum rig_step what, uint64_t value)
{
	if (rig.step != NULL)
		rig.step(what, value);
}

/* Whatever is no answer and no keep-alive has a reply, before anything is sent on. */
static void check_reply(const struct client *client)
{
	const struct judge_message *message = rig.message;
	struct tree *json = tree_read(message->text, message->length);
	const struct tree *answer = tree_member(json, "answer");

	if (message->length == 0 ||
	    (message->length == 2 && memcmp(message->text, "{}", 2) == 0))
		MUST(rig.emitted == 0);
	else if (answer == NULL || answer->kind == TREE_NULL)
		MUST(rig.emitted > 0 && rig.first == client);
	tree_free(json);
}

bool __real_tracker_message(struct tracker *tracker, uint32_t link, enum swarm_family family,
    const char *text, size_t length, uint64_t now);
bool __wrap_tracker_message(struct tracker *tracker, uint32_t link, enum swarm_family family,
    const char *text, size_t length, uint64_t now);
bool __wrap_tracker_message(struct tracker *tracker, uint32_t link, enum swarm_family family,
    const char *text, size_t length, uint64_t now)
{
	struct client *client = world.on ? client_of(link) : NULL;
	struct judge_message message = { .length = length };
	char *copy;

	if (client == NULL)
		return __real_tracker_message(tracker, link, family, text, length, now);
	if (client->clean) {
		MUST(client->sent.next < client->sent.count);
		MUST(client->sent.at[client->sent.next] == rig_hash(text, length));
		client->sent.next++;
	}
	step(RIG_MESSAGE, rig_hash(text, length));
	/* The tracker must be content with exactly so much memory. */
	message.text = copy = exact_copy(text, length);
	rig.message = &message;
	rig.emitted = 0;
	MUST(__real_tracker_message(tracker, link, family, copy, length, now));
	check_reply(client);
	rig.message = NULL;
	free(copy);
	return true;
}

static uint64_t hash_pieces(const struct msg_slice *pieces, size_t count)
{
	struct world_bytes whole = { 0 };
	uint64_t hash;
	size_t i;

	for (i = 0; i < count; i++)
		world_bytes_add(&whole, pieces[i].text, pieces[i].len);
	hash = rig_hash(whole.at, whole.length);
	world_bytes_free(&whole);
	return hash;
}

void __real_conn_send_frame(struct uwt_server *server, uint32_t number, enum ws_opcode opcode,
    const struct msg_slice *payload, size_t count);
void __wrap_conn_send_frame(struct uwt_server *server, uint32_t number, enum ws_opcode opcode,
    const struct msg_slice *payload, size_t count);
void __wrap_conn_send_frame(struct uwt_server *server, uint32_t number, enum ws_opcode opcode,
    const struct msg_slice *payload, size_t count)
{
	const struct conn *conn = &server->conns.at[number];
	struct client *client = world.on ? client_of(number) : NULL;
	bool open = conn->state == CONN_WEBSOCKET;

	if (client != NULL && (opcode == WS_TEXT || opcode == WS_PONG)) {
		MUST(opcode == WS_TEXT || rig.message == NULL);
		if (rig.message != NULL) {
			judge_emitted(check_tracker_swarm(server->tracker), rig.message, number,
			    payload, count);
			rig.first = rig.emitted++ == 0 ? client : rig.first;
		} else if (opcode == WS_PONG) {
			step(RIG_PONG, hash_pieces(payload, count));
		} else {
			MUST(server->options.max_rate > 0 && count == 1);
		}
		queue_add(&client->told, hash_pieces(payload, count));
	}
	__real_conn_send_frame(server, number, opcode, payload, count);
	if (client != NULL && open && conn->state == CONN_WEBSOCKET && rig.roomy)
		client->told.due = client->told.count;
}

void __real_conn_close_websocket(struct uwt_server *server, uint32_t number, uint16_t status,
    bool at_once, enum counter cause);
void __wrap_conn_close_websocket(struct uwt_server *server, uint32_t number, uint16_t status,
    bool at_once, enum counter cause);
void __wrap_conn_close_websocket(struct uwt_server *server, uint32_t number, uint16_t status,
    bool at_once, enum counter cause)
{
	if (world.on)
		step(RIG_CLOSE, status);
	__real_conn_close_websocket(server, number, status, at_once, cause);
}

/* -- what the program is told ----------------------------------------------------------------- */

static void told_event(void *context, const struct uwt_change *change)
{
	(void)context;
	MUST(change->event <= UWT_STOP && change->peer_id != NULL && change->info_hash != NULL);
	rig.untold = true;
}

static void told_warning(void *context, const char *text)
{
	(void)context;
	for (; *text != '\0'; text++)
		MUST(*text >= ' ' && *text <= '~');
}

static void told_turn(void *context)
{
	(void)context;
	rig.untold = false;
}

/* The number of a client's connection, 0 if it has none. */
static uint32_t number_of(const struct client *client)
{
	const struct conns *conns = &rig.server->conns;
	uint32_t number;

	for (number = 1; number <= conns->used; number++) {
		if (conns->at[number].state != CONN_FREE &&
		    conns->at[number].fd == WORLD_FD + client->peer)
			return number;
	}
	return 0;
}

/* Who reads what is sent must find true what the program was told. TLS's own records, of a
 * handshake or an alert, tell nothing; of the others see below. */
static void writes(int peer)
{
	int i;

	for (i = 0; i < RIG_CLIENTS; i++) {
		const struct client *client = &rig.clients[i];

		if (client->used && client->peer == peer)
			MUST(!rig.untold ||
			    rig.server->conns.at[number_of(client)].flags & CONN_TLS);
	}
}

enum tls_result __real_tls_output(struct tls *tls, uint32_t link, const struct iovec *pieces,
    int count, const struct tls_sink *sink);
enum tls_result __wrap_tls_output(struct tls *tls, uint32_t link, const struct iovec *pieces,
    int count, const struct tls_sink *sink);
enum tls_result __wrap_tls_output(struct tls *tls, uint32_t link, const struct iovec *pieces,
    int count, const struct tls_sink *sink)
{
	MUST(!world.on || !rig.untold);
	return __real_tls_output(tls, link, pieces, count, sink);
}

static void each_client(void (*act)(struct client *))
{
	int i;

	for (i = 0; i < RIG_CLIENTS; i++) {
		if (rig.clients[i].used)
			act(&rig.clients[i]);
	}
}

static void waits(void)
{
	each_client(client_receive);
}

/* -- beginning --------------------------------------------------------------------------------- */

static void load_keys(void)
{
	const struct uwt_pair pairs[] = {
		{ pem_ec_certificate, sizeof pem_ec_certificate - 1, pem_ec_key,
		    sizeof pem_ec_key - 1 },
		{ pem_rsa_certificate, sizeof pem_rsa_certificate - 1, pem_rsa_key,
		    sizeof pem_rsa_key - 1 }
	};
	/* RSA costs much time, so that it is only for those with little else to do. */
	size_t count = rig.server->options.tls_whole ? 2 : 1, wrong, i;
	char error[UWT_ERROR_MAX];
	struct uwt_doubts doubts;

	MUST(uwt_server_keys(rig.server, pairs, count, &wrong, error));
	for (i = 0; i < count; i++)
		MUST(uwt_server_doubts(rig.server, i, &doubts) && doubts.from < doubts.to);
	MUST(!uwt_server_doubts(rig.server, count, &doubts));
}

void rig_begin(const struct uwt_options *options, bool roomy)
{
	static const char *const addresses[] = { "localhost", "192.0.2.7" };
	struct uwt_options with = *options;
	char error[UWT_ERROR_MAX];
	const char *single;
	uint16_t port;

	world_begin();
	cipher_begin();
	memset(&rig, 0, sizeof rig);
	with.callbacks = (struct uwt_callbacks){ .warning = told_warning, .turn = told_turn,
		.event = { told_event, told_event, told_event, told_event } };
	rig.roomy = roomy;
	world.pipe_due = true;
	rig.server = uwt_server_new(&with, error);
	MUST(rig.server != NULL);
	check_server_guard(rig.server);
	if (options->tls)
		load_keys();
	MUST(uwt_server_listen(rig.server, addresses, 2, 0, &port, &single, error));
	world.writes = writes;
	world.waits = waits;
	check_server(rig.server);
}

/* -- turns ------------------------------------------------------------------------------- */

/* What the program may not do to a client that gave it no reason. */
static void check_client(struct client *client)
{
	const struct world_socket *socket = &world.sockets[client->peer];
	uint32_t number = socket->open ? number_of(client) : 0;
	bool good = client->clean && !client->slow && !client->mute && !client->left && rig.roomy &&
	    !rig.closing;

	if (number != 0 && tracker_link_count(rig.server->tracker, number) > 0)
		client->announced = true;
	/* Who is overdue is read once more. If the system says then that nothing has come, that is
	 * believed. */
	if (good && client->announced && !socket->misled)
		MUST(socket->open && !socket->shut && client->reads == CLIENT_READS_FRAMES);
	/* What was queued has been sent, and was all. */
	if (good && number != 0 && conn_unsent(rig.server, number) == 0 &&
	    rig.server->conns.at[number].state == CONN_WEBSOCKET)
		MUST(client->told.next >= client->told.due);
}

/* A turn that does nothing has to sleep before the next. */
static void check_rest(void)
{
	rig.spins = world.spins && world.calls == 0 ? rig.spins + 1 : 0;
	MUST(rig.spins < SPINS_MAX);
}

static bool server_turn(bool wait)
{
	bool more;

	/* What ciphers have to send is on its way before. */
	each_client(client_receive);
	world.sleeps = wait;
	world.waited = false;
	more = uwt_server_turn(rig.server, wait ? -1 : 0);
	world.sleeps = false;
	if (wait)
		world.now += 1000;
	/* A server that has ended is not waited for. */
	if (wait && more)
		check_rest();
	MUST(more || rig.closing);
	if (rig.turns++ < CHECKED_TURNS || rig.turns % 32 == 0)
		check_server(rig.server);
	each_client(client_receive);
	each_client(check_client);
	return more;
}

void rig_turn(bool wait)
{
	(void)server_turn(wait);
}

static bool anything_ready(void)
{
	int i;

	for (i = 0; i < WORLD_SOCKETS; i++) {
		const struct world_socket *socket = &world.sockets[i];

		if (socket->watched && (socket->broken != 0 ||
		    world_ready(socket) & socket->interest))
			return true;
	}
	return false;
}

void rig_settle(void)
{
	int turns = 0;

	do
		(void)server_turn(false);
	while (anything_ready() && turns++ < SETTLE_TURNS);
}

/* -- ending ------------------------------------------------------------------------------ */

/* With nobody there, whoever came has ended, of one cause. */
static void check_counters(const struct uwt_server *server)
{
	uint64_t ended = 0;
	int i;

	for (i = COUNT_ENDED_FIRST; i <= COUNT_ENDED_LAST; i++)
		ended += server->counters.of[i];
	MUST(server->counters.of[COUNT_ACCEPTED] == ended);
	MUST(server->counters.of[COUNT_HTTP_101] >= server->counters.of[COUNT_UPGRADED]);
	MUST(server->websockets == 0 && server->monitors == 0);
}

static void client_leave(struct client *client)
{
	struct world_socket *socket = &world.sockets[client->peer];

	client->left = true;
	socket->in_ended = true;
	socket->window = socket->chunk = WORLD_ANY;
}

static void check_nothing(void)
{
	const struct swarm_totals *totals = tracker_totals(rig.server->tracker);
	static const struct swarm_totals none;

	MUST(memcmp(totals, &none, sizeof none) == 0);
	MUST(rig.server->conns.live == 0 && rig.server->refused == 0);
	check_counters(rig.server);
	MUST(buf_pool_used(rig.server->pool) == 0);
	MUST(rig.server->secure.tls == NULL || (tls_totals(rig.server->secure.tls).open == 0 &&
	    tls_totals(rig.server->secure.tls).handshaking == 0 &&
	    tls_totals(rig.server->secure.tls).image_bytes == 0));
}

void rig_end(void)
{
	int turns = 0, i;

	world.accept_fault = 0;
	world.add_fault = world.change_fault = world.clock_fault = world.random_fault = false;
	each_client(client_leave);
	do
		MUST(turns++ < END_TURNS);
	while (server_turn(true) && (anything_ready() || rig.server->conns.live > 0));
	check_server(rig.server);
	check_nothing();
	/* The pipe, and what is listened on. */
	MUST(world_open() == 2 + rig.server->listeners.count);
	uwt_server_free(rig.server);
	for (i = 0; i < RIG_CLIENTS; i++)
		client_drop(&rig.clients[i]);
	world_end();
}
