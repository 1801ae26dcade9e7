/* check_server.c - server.c, and a look at all connections; see check.h */
#include "../../server.c"

#include "check.h"
#include "fuzz.h"
#include "world.h"

UNNOTICED_BEGIN

/* -- guarded memory ---------------------------------------------------------------------- */

void check_server_guard(struct uwt_server *server)
{
	const struct uwt_options *options = &server->options;
	size_t room = input_room(options);
	uint32_t connections = options->max_connections + SPARE_CONNS;
	struct tls_options tls = tls_options(options);

	server->input = (uint8_t *)place_garbage(PLACE_INPUT, room + READ_SIZE) + room;
	server->page = place_garbage(PLACE_PAGE, STATS_TEXT_MAX);
	server->pool = buf_pool_init(place_garbage(PLACE_POOL,
	    buf_pool_size((size_t)options->buffer_memory)), (size_t)options->buffer_memory);
	server->conns.at = place_zeros(PLACE_CONNS, conns_size(connections));
	server->tracker = check_tracker_guard(server->tracker);
	if (server->quota != NULL)
		server->quota = quota_init(place_zeros(PLACE_QUOTA, quota_size(connections)),
		    connections, options->max_per_address, &(struct hash_secret){ { 7, 8 } });
	if (!options->tls)
		return;
	server->secure.plain = (uint8_t *)place_garbage(PLACE_PLAIN, room + READ_SIZE) + room;
	server->secure.cipher = place_garbage(PLACE_CIPHER, SECURE_CIPHER_MAX);
	server->secure.links = place_zeros(PLACE_LINKS,
	    ((size_t)connections + 1) * sizeof(struct secure_link));
	server->secure.tls = tls_init(place_zeros(PLACE_TLS, tls_size(&tls)), &tls);
}

/* -- lists -------------------------------------------------------------------------------- */

/* How many are in a list by a chain, whose members' links must fit each other. */
static uint32_t list_walk(const struct uwt_server *server, const struct conn_list *list,
    enum conn_chain chain, void (*look)(const struct uwt_server *, uint32_t, int), int which)
{
	const struct conns *conns = &server->conns;
	uint32_t count = 0, before = 0, at;

	for (at = list->first; at != 0; at = conns->at[at].links[chain].after) {
		MUST(at <= conns->used && conns->at[at].state != CONN_FREE);
		MUST(conns->at[at].links[chain].before == before);
		look(server, at, which);
		before = at;
		MUST(++count <= conns->live);
	}
	MUST(list->last == before);
	return count;
}

static void look_time(const struct uwt_server *server, uint32_t number, int timer)
{
	const struct conn *conn = &server->conns.at[number];
	uint32_t after = conn->links[CHAIN_TIME].after;

	MUST(conn->timer == timer);
	MUST(after == 0 || conn_age(server, after) <= conn_age(server, number));
	switch (conn->state) {
	case CONN_HEAD:
		MUST(timer == TIMER_HEAD || timer == TIMER_QUEUED || timer == TIMER_HANDSHAKE);
		break;
	case CONN_IDLE:
		MUST(timer == TIMER_IDLE);
		break;
	case CONN_WEBSOCKET:
		MUST(timer == TIMER_ALIVE || timer == TIMER_PINGED);
		break;
	default:
		MUST(timer == TIMER_ENDING);
	}
}

static void look_young(const struct uwt_server *server, uint32_t number, int young)
{
	const struct conn *conn = &server->conns.at[number];

	MUST(conn->flags & CONN_YOUNG);
	MUST(((conn->flags & CONN_FULL) != 0) == (young == YOUNG_REFUSED));
}

static void look_hold(const struct uwt_server *server, uint32_t number, int hold)
{
	MUST(server->conns.at[number].hold == hold);
}

static void check_lists(const struct uwt_server *server)
{
	uint32_t timed = 0, young = 0, held = 0, youngs = 0, holds = 0, number;
	int i;

	for (i = 0; i < TIMERS; i++)
		timed += list_walk(server, &server->timers[i], CHAIN_TIME, look_time, i);
	for (i = 0; i < YOUNGS; i++)
		young += list_walk(server, &server->youngs[i], CHAIN_YOUNG, look_young, i);
	for (i = 1; i <= HOLDS; i++)
		held += list_walk(server, &server->holds[i], CHAIN_HOLD, look_hold, i);
	for (number = 1; number <= server->conns.used; number++) {
		const struct conn *conn = &server->conns.at[number];

		youngs += conn->state != CONN_FREE && conn->flags & CONN_YOUNG ? 1 : 0;
		holds += conn->state != CONN_FREE && conn->hold != 0;
	}
	MUST(timed == server->conns.live && young == youngs && held == holds);
	MUST(server->timers[TIMER_DOOMED].first == 0 && server->dirty == 0);
}

static void check_free_numbers(const struct uwt_server *server)
{
	const struct conns *conns = &server->conns;
	uint32_t count = 0, at;

	for (at = conns->free; at != 0; at = conns->at[at].next_dirty) {
		MUST(at <= conns->used && conns->at[at].state == CONN_FREE);
		MUST(++count <= conns->used);
	}
	MUST(conns->used <= conns->capacity && count + conns->live == conns->used);
}

/* -- connections --------------------------------------------------------------------------- */

/* The list of holders in which so many bytes belong. */
static int hold_for(size_t bytes)
{
	size_t buffers = (bytes + BUF_DATA - 1) / BUF_DATA;
	int hold = 0;

	for (; buffers > 0 && hold < HOLDS; buffers /= 2)
		hold++;
	return hold;
}

static size_t check_chains(struct uwt_server *server, uint32_t number)
{
	const struct conn *conn = &server->conns.at[number];
	const struct secure_link *link;
	size_t bytes = (size_t)conn->raw.length + conn->message.length + conn->out.length;

	check_pool_chain(server->pool, &conn->raw);
	check_pool_chain(server->pool, &conn->message);
	check_pool_chain(server->pool, &conn->out);
	if (server->secure.tls == NULL) {
		MUST(!(conn->flags & CONN_TLS));
		return bytes;
	}
	link = &server->secure.links[number];
	check_pool_chain(server->pool, &link->in);
	check_pool_chain(server->pool, &link->out);
	if (!(conn->flags & CONN_TLS))
		MUST(link->in.length == 0 && link->out.length == 0);
	return bytes + link->in.length + link->out.length;
}

/* What is waited for must be what can come: else a connection would sleep for ever, or spin. */
static void check_interest(const struct uwt_server *server, uint32_t number)
{
	const struct conn *conn = &server->conns.at[number];
	const struct world_socket *socket = world_socket(conn->fd);
	bool stalled = conn->flags & CONN_STALLED, paused = conn->flags & CONN_PAUSED;
	bool takes = conn->state != CONN_CLOSING && conn->state != CONN_LINGER;

	MUST(socket->kind == WORLD_PEER && socket->watched);
	MUST(socket->tag == ((uint64_t)conn->generation << 32 | number));
	MUST(socket->interest == ((paused ? 0 : POLL_READ) | (stalled ? POLL_WRITE : 0)));
	MUST(stalled == (conn_unsent(server, number) > 0 || (paused && takes)));
	MUST(!(conn->flags & CONN_DIRTY));
	MUST(socket->shut == (conn->state == CONN_LINGER));
	MUST(conn->state != CONN_CLOSING || conn_unsent(server, number) > 0);
}

static void check_conn(struct uwt_server *server, uint32_t number)
{
	const struct conn *conn = &server->conns.at[number];
	size_t bytes;

	if (conn->state == CONN_FREE)
		return;
	MUST(conn->state != CONN_DOOMED);
	bytes = check_chains(server, number);
	MUST(conn->hold == hold_for(bytes));
	check_interest(server, number);
	if (conn->state == CONN_WEBSOCKET) {
		MUST(conn->message.length == 0 || conn->opcode != 0);
		MUST(conn->out.length <= OUT_MAX);
		MUST(conn->flags & CONN_PAUSED || conn->raw.length == 0 ||
		    conn->raw.length < conn->need);
		MUST(conn->message.length <= server->options.max_message);
	} else {
		MUST(tracker_link_count(server->tracker, number) == 0);
		MUST(conn->message.length == 0);
	}
	if (tracker_link_count(server->tracker, number) > 0)
		MUST(!(conn->flags & (CONN_YOUNG | CONN_FULL)));
	if (conn->state == CONN_CLOSING || conn->state == CONN_LINGER)
		MUST(conn->raw.length == 0 && conn->flags & CONN_YOUNG);
}

static void check_counts(const struct uwt_server *server)
{
	uint32_t live = 0, refused = 0, watched = 0, secured = 0, i;
	const struct swarm_totals *totals = tracker_totals(server->tracker);

	for (i = 1; i <= server->conns.used; i++) {
		const struct conn *conn = &server->conns.at[i];

		live += conn->state != CONN_FREE;
		refused += conn->state != CONN_FREE && conn->flags & CONN_FULL ? 1 : 0;
		secured += conn->state != CONN_FREE && conn->flags & CONN_TLS ? 1 : 0;
	}
	for (i = 0; i < WORLD_SOCKETS; i++)
		watched += world.sockets[i].watched && world.sockets[i].kind == WORLD_PEER;
	MUST(live == server->conns.live && refused == server->refused && watched == live);
	MUST(live - refused <= server->options.max_connections && refused <= SPARE_CONNS);
	MUST(totals->members <= server->options.max_peers);
	MUST(totals->torrents <= server->options.max_torrents);
	check_clients(tracker_clients(server->tracker), totals->peers);
	if (server->secure.tls != NULL)
		MUST(tls_totals(server->secure.tls).open <= secured);
}

static void check_addresses(const struct uwt_server *server)
{
	uint32_t number;

	if (server->quota == NULL)
		return;
	check_quota_begin();
	for (number = 1; number <= server->conns.used; number++) {
		const struct conn *conn = &server->conns.at[number];

		if (conn->state != CONN_FREE && conn->flags & CONN_COUNTED)
			check_quota_conn(&conn->address);
	}
	check_quota_end(server->quota);
}

void check_server(struct uwt_server *server)
{
	uint32_t number;

	check_free_numbers(server);
	check_lists(server);
	check_pool_begin(server->pool);
	for (number = 1; number <= server->conns.used; number++)
		check_conn(server, number);
	check_pool_end(server->pool);
	check_counts(server);
	check_addresses(server);
	check_swarm(check_tracker_swarm(server->tracker));
}

UNNOTICED_END
