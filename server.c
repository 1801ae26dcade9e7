/* server.c - the server as an object; see server.h and inside.h */
#include "inside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "pages.h"
#include "trial.h"

#define EVENTS_MAX 256          /* handled in one turn */
#define SPARE_CONNS (REFUSED_MAX + MONITORS_MAX)    /* beyond the limit */
#define SPARE_DESCRIPTORS (SPARE_CONNS + LISTEN_MAX + 2 + 16)
#define TLS_SESSIONS_MAX 65536  /* that are remembered by default */
#define ENTRIES_MIN 16          /* of a table, however little memory there is */
#define BUFFER_MEMORY_MIN (64 * 1024)
#define BUFFER_MEMORY_MAX (256 * 1024 * 1024)
#define BUFFER_MEMORY_LIMIT ((uint64_t)64 << 30)
#define INTERVAL_MAX 604800000  /* ms */
#define MESSAGE_MAX (16 << 20)

/* How long a connection may stay in each list by time, in ms. */
static const uint32_t timer_limit[TIMERS] = {
	[TIMER_HEAD] = 10000, [TIMER_IDLE] = 60000, [TIMER_ALIVE] = 45000,
	[TIMER_PINGED] = 15000, [TIMER_QUEUED] = 60000, [TIMER_HANDSHAKE] = 10000,
	[TIMER_ASKED] = UWT_ANSWER_TIME, [TIMER_ENDING] = 5000
};

/* -- numbers ---------------------------------------------------------------------------- */

uint64_t conn_id(const struct uwt_server *server, uint32_t number)
{
	return (uint64_t)server->conns.at[number].generation << 32 | number;
}

uint32_t conn_find(const struct uwt_server *server, uint64_t id)
{
	uint32_t number = (uint32_t)id;

	if (number == 0 || number > server->conns.used || conn_id(server, number) != id ||
	    server->conns.at[number].state == CONN_FREE)
		return 0;
	return number;
}

/* -- time and lists --------------------------------------------------------------------- */

/* ms of what clock_us says. */
static uint64_t server_time(uint64_t us)
{
	return us * CLOCK_SPEED / 1000;
}

uint32_t conn_age(const struct uwt_server *server, uint32_t number)
{
	return (uint32_t)server->now - server->conns.at[number].since;
}

void conn_time(struct uwt_server *server, uint32_t number, enum timer timer)
{
	struct conn *conn = &server->conns.at[number];

	conns_remove(&server->conns, &server->timers[conn->timer], CHAIN_TIME, number);
	conn->timer = (uint8_t)timer;
	conn->since = (uint32_t)server->now;
	conns_append(&server->conns, &server->timers[timer], CHAIN_TIME, number);
}

static struct conn_list *young_list(struct uwt_server *server, const struct conn *conn)
{
	return &server->youngs[conn->flags & CONN_MONITOR ? YOUNG_MONITORS :
	    conn->flags & CONN_FULL ? YOUNG_REFUSED : YOUNG_WAITING];
}

void young_join(struct uwt_server *server, uint32_t number)
{
	struct conn *conn = &server->conns.at[number];

	if (conn->flags & CONN_YOUNG)
		return;
	conn->flags |= CONN_YOUNG;
	conns_append(&server->conns, young_list(server, conn), CHAIN_YOUNG, number);
}

void young_leave(struct uwt_server *server, uint32_t number)
{
	struct conn *conn = &server->conns.at[number];

	if (!(conn->flags & CONN_YOUNG))
		return;
	conn->flags &= (uint16_t)~CONN_YOUNG;
	conns_remove(&server->conns, young_list(server, conn), CHAIN_YOUNG, number);
}

/* -- options ---------------------------------------------------------------------------- */

void uwt_options_init(struct uwt_options *options)
{
	*options = (struct uwt_options){ .interval = 600000, .max_swarms = 4096,
		.max_message = 256 * 1024, .stats = true, .landing = true, .max_handshakes = 512,
		.keep_requests = true };
}

static struct swarm_limits swarm_limits(const struct uwt_options *options)
{
	return (struct swarm_limits){ .links = options->max_connections + SPARE_CONNS,
		.torrents = options->max_torrents, .members = options->max_peers,
		.per_link = options->max_swarms, .ranked = options->torrent_stats };
}

static struct tracker_options tracker_options(const struct uwt_options *options)
{
	return (struct tracker_options){ .limits = swarm_limits(options),
		.interval = options->interval, .max_message = options->max_message,
		.full_scrape = options->full_scrape,
		.sink = { .admit = options->callbacks.filter != NULL ? ask : NULL } };
}

static struct tls_options tls_options(const struct uwt_options *options)
{
	return (struct tls_options){ .links = options->max_connections + SPARE_CONNS,
		.handshakes = options->max_handshakes, .sessions = options->tls_sessions,
		.whole = options->tls_whole };
}

/* Bytes before server->input, so that the longest message or head can be put together. */
static size_t input_room(const struct uwt_options *options)
{
	size_t room = (size_t)options->max_message + WS_HEAD_MAX;

	if (room < HTTP_HEAD_MAX)
		room = HTTP_HEAD_MAX;
	if (room < TLS_RECORD_MAX)
		room = TLS_RECORD_MAX;
	return room;
}

/* The parts of a server's memory, in their order. */
enum part {
	PART_SERVER, PART_CONNS, PART_PAGE, PART_SHOWN, PART_HISTORY, PART_INPUT,
	PART_LINKS, PART_PLAIN, PART_CIPHER, PART_TLS,
	PART_QUOTA, PART_ASKS, PART_TRACKER, PART_POOL, PARTS
};

/* Where each part ends. */
static void memory_plan(const struct uwt_options *options, uint64_t ends[PARTS])
{
	struct tracker_options tracker = tracker_options(options);
	struct tls_options tls = tls_options(options);
	size_t connections = (size_t)options->max_connections + SPARE_CONNS;
	const size_t sizes[PARTS] = {
		[PART_SERVER] = sizeof(struct uwt_server),
		[PART_CONNS] = conns_size((uint32_t)connections),
		[PART_PAGE] = STATS_TEXT_MAX,
		[PART_SHOWN] = show_size(options),
		[PART_HISTORY] = history_size(),
		[PART_INPUT] = pages_round(input_room(options)) + READ_SIZE,
		[PART_LINKS] = options->tls ? (connections + 1) * sizeof(struct secure_link) : 0,
		[PART_PLAIN] = options->tls ? pages_round(input_room(options)) + READ_SIZE : 0,
		[PART_CIPHER] = options->tls ? SECURE_CIPHER_MAX : 0,
		[PART_TLS] = options->tls ? tls_size(&tls) : 0,
		[PART_QUOTA] = options->max_per_address > 0 ?
		    quota_size((uint32_t)connections) : 0,
		[PART_ASKS] = options->callbacks.filter != NULL ?
		    (connections + 1) * sizeof(struct ask_link) : 0,
		[PART_TRACKER] = tracker_size(&tracker),
		[PART_POOL] = buf_pool_size((size_t)options->buffer_memory)
	};
	uint64_t end = 0;
	int part;

	for (part = 0; part < PARTS; part++)
		ends[part] = end += pages_round(sizes[part]);
}

uint64_t uwt_options_memory(const struct uwt_options *options)
{
	uint64_t ends[PARTS];

	memory_plan(options, ends);
	return ends[PART_POOL] + poll_memory((int)options->max_connections + SPARE_DESCRIPTORS);
}

/* What a server costs with tables of so many entries each, without the pool. */
static uint64_t memory_of_tables(const struct uwt_options *options, uint32_t entries)
{
	struct uwt_options sized = *options;

	sized.buffer_memory = 0;
	sized.max_connections = sized.max_peers = sized.max_torrents = entries;
	return uwt_options_memory(&sized);
}

/* The largest tables that fit into so much memory. */
static uint64_t entries_in(const struct uwt_options *options, uint64_t memory)
{
	uint64_t fixed = memory_of_tables(options, 1);
	uint64_t each = (memory_of_tables(options, UWT_TABLE_MAX) - fixed) / UWT_TABLE_MAX + 1;
	uint64_t entries = memory > fixed ? (memory - fixed) / each : 0;

	return entries > ENTRIES_MIN ? entries : ENTRIES_MIN;
}

static uint32_t lesser(uint64_t a, uint64_t b)
{
	uint64_t least = a < b ? a : b;

	return (uint32_t)(least < UWT_TABLE_MAX ? least : UWT_TABLE_MAX);
}

/* Find out whether contexts of TLS have to be kept whole. False with errno set if that cannot be
 * tried: memory and random numbers are all that a trial asks the system for. */
static bool find_whole(bool *whole)
{
	size_t size = trial_size();
	void *memory = pages_reserve(size);
	int fault;

	if (memory == NULL)
		return false;
	errno = 0;
	*whole = !trial_images(memory);
	fault = errno;
	pages_release(memory, size);
	errno = fault;
	return !*whole || fault == 0;
}

bool uwt_options_fit(struct uwt_options *options, uint64_t memory, uint32_t descriptors,
    char error[UWT_ERROR_MAX])
{
	uint32_t room = descriptors > SPARE_DESCRIPTORS ? descriptors - SPARE_DESCRIPTORS : 0;
	uint64_t pool = options->buffer_memory, entries;

	if (room == 0 || options->max_connections > room) {
		snprintf(error, UWT_ERROR_MAX,
		    "the limit on open files is %lu, which is enough for %lu "
		    "connections: raise it (ulimit -n) or lower --max-connections",
		    (unsigned long)descriptors, (unsigned long)room);
		return false;
	}
	if (pool > memory && (options->max_connections == 0 || options->max_peers == 0 ||
	    options->max_torrents == 0)) {
		snprintf(error, UWT_ERROR_MAX, "--buffer-memory leaves no memory for the tables");
		return false;
	}
	if (pool == 0) {
		pool = memory / 4;
		if (pool < BUFFER_MEMORY_MIN)
			pool = BUFFER_MEMORY_MIN;
		if (pool > BUFFER_MEMORY_MAX)
			pool = BUFFER_MEMORY_MAX;
	}
	if (options->tls && !find_whole(&options->tls_whole)) {
		snprintf(error, UWT_ERROR_MAX, "cannot try TLS: %s", strerror(errno));
		return false;
	}
	entries = entries_in(options, memory > pool ? memory - pool : 0);
	options->buffer_memory = pool;
	if (options->max_connections == 0)
		options->max_connections = lesser(entries, room);
	if (options->tls_sessions == 0)
		options->tls_sessions = options->max_connections < TLS_SESSIONS_MAX ?
		    options->max_connections : TLS_SESSIONS_MAX;
	if (options->max_peers == 0)
		options->max_peers = lesser(entries, UWT_TABLE_MAX);
	if (options->max_torrents == 0)
		options->max_torrents = lesser(entries, UWT_TABLE_MAX);
	return true;
}

/* -- what the tracker emits --------------------------------------------------------------- */

static void sink_send(void *context, uint32_t link, const struct msg_slice *pieces, size_t count)
{
	conn_send_frame(context, link, WS_TEXT, pieces, count);
}

static void sink_ping(void *context, uint32_t link)
{
	conn_ping(context, link);
}

static uint32_t sink_unanswered(void *context, uint32_t link)
{
	const struct uwt_server *server = context;

	const struct conn *conn = &server->conns.at[link];

	/* While the ping itself may not have been sent, it cannot be answered. */
	return conn->timer == TIMER_PINGED && conn->out.length == 0 ? conn_age(server, link) :
	    TRACKER_NEVER;
}

static void sink_event(void *context, enum tracker_event event, uint32_t link,
    const uint8_t *peer_id, const uint8_t *info_hash)
{
	static const enum uwt_event events[] = {
		[TRACKER_START] = UWT_START, [TRACKER_COMPLETE] = UWT_COMPLETE,
		[TRACKER_UPDATE] = UWT_UPDATE, [TRACKER_STOP] = UWT_STOP
	};
	const struct uwt_server *server = context;
	const struct uwt_callbacks *callbacks = &server->options.callbacks;
	const struct uwt_change change = { .event = events[event], .peer_id = peer_id,
		.info_hash = info_hash, .connection = conn_id(server, link) };

	if (callbacks->event[change.event] != NULL)
		callbacks->event[change.event](callbacks->context, &change);
}

static void sink_warning(void *context, const char *text)
{
	conn_warn(context, text);
}

static void sink_refused(void *context, enum counter why)
{
	refused(context, why);
}

/* -- making and freeing --------------------------------------------------------------------- */

static bool open_wake(int wake[2])
{
	int i;

	if (pipe(wake) != 0) {
		wake[0] = wake[1] = -1;
		return false;
	}
	for (i = 0; i < 2; i++) {
		if (fcntl(wake[i], F_SETFL, O_NONBLOCK) != 0 ||
		    fcntl(wake[i], F_SETFD, FD_CLOEXEC) != 0)
			return false;
	}
	return true;
}

static void lay_out_secure(struct uwt_server *server, uint8_t *memory, const uint64_t ends[PARTS])
{
	struct tls_options tls = tls_options(&server->options);

	server->secure.links = (struct secure_link *)(void *)(memory + ends[PART_LINKS - 1]);
	server->secure.plain = memory + ends[PART_PLAIN - 1] +
	    pages_round(input_room(&server->options));
	server->secure.cipher = memory + ends[PART_CIPHER - 1];
	server->secure.tls = tls_init(memory + ends[PART_TLS - 1], &tls);
}

static bool lay_out(struct uwt_server *server, uint8_t *memory, const uint64_t ends[PARTS])
{
	const struct uwt_options *options = &server->options;
	struct tracker_options tracker = tracker_options(options);

	tracker.sink = (struct tracker_sink){ server, sink_send, sink_ping, sink_unanswered,
		sink_event, sink_warning, tracker.sink.admit, sink_refused };
	tracker.counters = &server->counters;
	if (getentropy(&tracker.secret, sizeof tracker.secret) != 0)
		return false;
	conns_init(&server->conns, memory + ends[PART_CONNS - 1],
	    options->max_connections + SPARE_CONNS);
	if (options->max_per_address > 0)
		server->quota = quota_init(memory + ends[PART_QUOTA - 1],
		    options->max_connections + SPARE_CONNS, options->max_per_address,
		    &tracker.secret);
	if (options->callbacks.filter != NULL)
		server->asks = (struct ask_link *)(void *)(memory + ends[PART_ASKS - 1]);
	server->page = (char *)memory + ends[PART_PAGE - 1];
	server->shown_memory = (char *)memory + ends[PART_SHOWN - 1];
	server->history = history_init(memory + ends[PART_HISTORY - 1]);
	server->input = memory + ends[PART_INPUT - 1] + pages_round(input_room(options));
	server->tracker = tracker_init(memory + ends[PART_TRACKER - 1], &tracker);
	if (options->tls)
		lay_out_secure(server, memory, ends);
	server->pool = buf_pool_init(memory + ends[PART_POOL - 1], (size_t)options->buffer_memory);
	return true;
}

static bool open_descriptors(struct uwt_server *server)
{
	server->poll = poll_open((int)server->options.max_connections + SPARE_DESCRIPTORS);
	return server->poll != NULL && open_wake(server->wake) &&
	    poll_add(server->poll, server->wake[0], TAG_WAKE, POLL_READ);
}

bool uwt_ranges_valid(const char *ranges)
{
	struct address_ranges parsed;

	return address_ranges_parse(ranges, &parsed);
}

bool uwt_host_valid(const char *host)
{
	return listen_address_valid(host);
}

static bool within(const char *name, uint64_t value, uint64_t least, uint64_t most,
    char error[UWT_ERROR_MAX])
{
	if (value >= least && value <= most)
		return true;
	snprintf(error, UWT_ERROR_MAX, "%s is %llu: values are from %llu to %llu", name,
	    (unsigned long long)value, (unsigned long long)least, (unsigned long long)most);
	return false;
}

static bool options_valid(const struct uwt_options *options, char error[UWT_ERROR_MAX])
{
	return within("interval", options->interval, 1, INTERVAL_MAX, error) &&
	    within("max_connections", options->max_connections, 1, UWT_LIMIT_MAX, error) &&
	    within("max_peers", options->max_peers, 1, UWT_LIMIT_MAX, error) &&
	    within("max_torrents", options->max_torrents, 1, UWT_LIMIT_MAX, error) &&
	    within("buffer_memory", options->buffer_memory, 1, BUFFER_MEMORY_LIMIT, error) &&
	    within("max_swarms", options->max_swarms, 1, UINT16_MAX, error) &&
	    within("max_rate", options->max_rate, 0, UINT16_MAX, error) &&
	    within("max_per_address", options->max_per_address, 0, UWT_LIMIT_MAX, error) &&
	    within("max_message", options->max_message, 1, MESSAGE_MAX, error) &&
	    (!options->tls ||
	    (within("tls_sessions", options->tls_sessions, 1, UWT_LIMIT_MAX, error) &&
	    within("max_handshakes", options->max_handshakes, 1, UINT16_MAX + 1, error)));
}

struct uwt_server *uwt_server_new(const struct uwt_options *options,
    char error[UWT_ERROR_MAX])
{
	struct uwt_server *server;
	uint64_t ends[PARTS];

	if (!options_valid(options, error))
		return NULL;
	memory_plan(options, ends);
	errno = ENOMEM;
	/* On a machine of 32 bits the sum may be more than there are addresses. */
	server = ends[PART_POOL] < SIZE_MAX / 2 && options->buffer_memory < SIZE_MAX / 2 ?
	    pages_reserve((size_t)ends[PART_POOL]) : NULL;
	if (server == NULL) {
		snprintf(error, UWT_ERROR_MAX,
		    "cannot reserve %llu MB of memory: %s; lower the limits",
		    (unsigned long long)(ends[PART_POOL] >> 20), strerror(errno));
		return NULL;
	}
	server->options = *options;
	server->memory_size = (size_t)ends[PART_POOL];
	server->site = (struct site){ options->stats, options->torrent_stats, options->metrics,
		options->landing, options->page, options->page_size };
	server->wake[0] = server->wake[1] = -1;
	server->started = server_time(clock_us());
	address_ranges_private(&server->trusted);
	if (options->trusted != NULL && !address_ranges_parse(options->trusted, &server->trusted)) {
		snprintf(error, UWT_ERROR_MAX, "not a list of addresses: %s", options->trusted);
		uwt_server_free(server);
		return NULL;
	}
	if (server->started == 0 || !lay_out(server, (uint8_t *)server, ends) ||
	    !open_descriptors(server)) {
		snprintf(error, UWT_ERROR_MAX, "cannot start: %s", strerror(errno));
		uwt_server_free(server);
		return NULL;
	}
	show_start(server);
	return server;
}

static void each_conn(struct uwt_server *server, void (*act)(struct uwt_server *, uint32_t))
{
	uint32_t number;

	for (number = 1; number <= server->conns.used; number++) {
		if (server->conns.at[number].state != CONN_FREE)
			act(server, number);
	}
}

static void conn_cut(struct uwt_server *server, uint32_t number)
{
	conn_doom(server, number, COUNT_ENDED_CLOSE);
}

void uwt_server_free(struct uwt_server *server)
{
	int i;

	if (server == NULL)
		return;
	server->turning = true;
	each_conn(server, conn_cut);
	conns_reap(server);
	stop_listening(server);
	for (i = 0; i < 2; i++) {
		if (server->wake[i] >= 0)
			close(server->wake[i]);
	}
	if (server->poll != NULL)
		poll_close(server->poll);
	tls_free(server->secure.tls);
	pages_release(server, server->memory_size);
}

bool uwt_has_tls(void)
{
	return tls_built();
}

bool uwt_server_keys(struct uwt_server *server, const struct uwt_pair *pairs, size_t count,
    size_t *pair, char error[UWT_ERROR_MAX])
{
	struct tls_text texts[UWT_PAIRS_MAX];
	size_t i;

	if (server->secure.tls == NULL) {
		*pair = 0;
		snprintf(error, UWT_ERROR_MAX, "TLS is not among the server's options");
		return false;
	}
	if (count > UWT_PAIRS_MAX) {
		*pair = UWT_PAIRS_MAX;
		snprintf(error, UWT_ERROR_MAX, "too many certificates: at most %d", UWT_PAIRS_MAX);
		return false;
	}
	for (i = 0; i < count; i++)
		texts[i] = (struct tls_text){ pairs[i].certificates, pairs[i].certificates_size,
			pairs[i].key, pairs[i].key_size };
	return tls_load(server->secure.tls, texts, count, pair, error);
}

bool uwt_server_doubts(const struct uwt_server *server, size_t pair, struct uwt_doubts *doubts)
{
	struct tls_doubts found;

	if (server->secure.tls == NULL || !tls_doubts(server->secure.tls, pair, &found))
		return false;
	*doubts = (struct uwt_doubts){ found.from, found.to, found.alone };
	return true;
}

/* -- the turn --------------------------------------------------------------------------------- */

static void conn_overdue(struct uwt_server *server, uint32_t number)
{
	struct conn *conn = &server->conns.at[number];
	struct site_answer answer;

	if (conn->timer == TIMER_ALIVE) {
		conn_ping(server, number);
		return;
	}
	if (conn->timer == TIMER_ASKED) {
		ask_late(server, number);
		return;
	}
	/* What came in time may only not have been read, if a turn was long. */
	if (!(conn->flags & CONN_PAUSED) && !secure_is_late(server, number))
		conn_readable(server, number);
	if (conn->timer == TIMER_DOOMED || conn_age(server, number) < timer_limit[conn->timer])
		return;
	if (conn->timer == TIMER_HEAD && conn->raw.length > 0) {
		site_refuse(408, &answer);
		conn_send_answer(server, number, &answer, 1, true);
	} else {
		conn_doom(server, number, COUNT_ENDED_SILENT);
	}
}

/* The ms until something has waited long enough, -1 if nothing waits. */
static int64_t timers_due(const struct uwt_server *server)
{
	int64_t next = tracker_due(server->tracker, server->now), sample = show_due(server);
	int timer;

	if (next < 0 || sample < next)
		next = sample;
	for (timer = 0; timer < TIMERS; timer++) {
		uint32_t number = server->timers[timer].first, age;
		int64_t left;

		if (number == 0)
			continue;
		age = conn_age(server, number);
		left = age < timer_limit[timer] ? timer_limit[timer] - age : 0;
		if (next < 0 || left < next)
			next = left;
	}
	return next;
}

/* Act on what has waited long enough. */
static void run_timers(struct uwt_server *server)
{
	int timer;

	tracker_expire(server->tracker, server->now);
	show_run(server);
	for (timer = 0; timer < TIMERS; timer++) {
		uint32_t number;

		while ((number = server->timers[timer].first) != 0 &&
		    conn_age(server, number) >= timer_limit[timer])
			conn_overdue(server, number);
	}
}

static void conn_event(struct uwt_server *server, uint32_t number, uint32_t generation,
    unsigned ready)
{
	const struct conn *conn = &server->conns.at[number];

	/* What was ready may have ended since, and its number be another's. */
	if (conn->generation != generation || conn->state == CONN_DOOMED)
		return;
	/* Of a connection that is not to be read only a fault is reported. */
	if (ready & POLL_READ && conn->flags & CONN_PAUSED) {
		conn_doom(server, number, COUNT_ENDED_NETWORK);
		return;
	}
	if (ready & POLL_WRITE)
		conn_writable(server, number);
	/* What is not read is ready again in the next turn. */
	if (ready & POLL_READ && conn->state != CONN_DOOMED && !secure_is_late(server, number))
		conn_readable(server, number);
}

/* While one connection is worked on, fetch what those after it will need: in large tables the wait
 * for memory is half of an announce. */
static void expect(const struct uwt_server *server, const struct poll_event *events, int left)
{
	int ahead;

	if (left > SWARM_AHEAD)
		__builtin_prefetch(&server->conns.at[(uint32_t)events[SWARM_AHEAD].tag], 1);
	for (ahead = SWARM_AHEAD; ahead > 0; ahead--) {
		if (ahead < left)
			tracker_expect(server->tracker, (uint32_t)events[ahead].tag,
			    (unsigned)ahead);
	}
}

/* Connections first, then listeners: so that who leaves makes room for who comes. */
static void dispatch(struct uwt_server *server, const struct poll_event *events, int count)
{
	uint32_t number, high;
	char drain[64];
	int i;

	for (i = 0; i < count; i++) {
		number = (uint32_t)events[i].tag;
		expect(server, events + i, count - i);
		if (number != 0) {
			conn_event(server, number, (uint32_t)(events[i].tag >> 32),
			    events[i].ready);
		} else if (events[i].tag == TAG_WAKE) {
			while (read(server->wake[0], drain, sizeof drain) > 0)
				continue;
		}
	}
	for (i = 0; i < count && server->accept_again == 0; i++) {
		high = (uint32_t)(events[i].tag >> 32);
		if ((uint32_t)events[i].tag == 0 && high != 0)
			listener_event(server, high - 1);
	}
}

/* Has the program asked for what was not done yet? */
static bool has_wishes(const struct uwt_server *server)
{
	return server->ends_asked > 0 || server->close_asked;
}

/* How long poll_wait may take, in ms of its own clock. */
static int wait_limit(const struct uwt_server *server, int timeout, int64_t next)
{
	int64_t wait, queue = secure_queue_wait(server);

	if (server->timers[TIMER_DOOMED].first != 0 || server->answered != 0 ||
	    server->dirty != 0 || has_wishes(server) ||
	    (server->closed && server->conns.live == 0))
		return 0;
	if (queue >= 0 && (next < 0 || queue < next))
		next = queue;
	if (server->accept_again != 0 && (next < 0 || next > ACCEPT_PAUSE))
		next = ACCEPT_PAUSE;
	if (server->closed && (next < 0 || server->close_by < server->now + (uint64_t)next))
		next = server->close_by > server->now ? (int64_t)(server->close_by - server->now) :
		    0;
	if (next < 0)
		return timeout;
	wait = (next + CLOCK_SPEED - 1) / CLOCK_SPEED;
	if (wait > 60000)
		wait = 60000;
	return timeout >= 0 && timeout < wait ? timeout : (int)wait;
}

static void conn_dismiss(struct uwt_server *server, uint32_t number)
{
	struct conn *conn = &server->conns.at[number];

	if (conn->state == CONN_WEBSOCKET)
		conn_close_websocket(server, number, WS_STATUS_GOING_AWAY, false,
		    COUNT_ENDED_CLOSE);
	else if (conn_unsent(server, number) > 0)
		conn_end(server, number, false, COUNT_ENDED_CLOSE);
	else if (conn->state == CONN_IDLE || (conn->state == CONN_HEAD && conn->raw.length == 0))
		conn_doom(server, number, COUNT_ENDED_CLOSE);
}

static void close_now(struct uwt_server *server)
{
	show_last(server);
	server->closed = true;
	server->close_by = server->now + (uint64_t)server->grace * CLOCK_SPEED;
	stop_listening(server);
	server->accept_again = 0;
	each_conn(server, conn_dismiss);
}

/* The program wants a connection ended. */
static void conn_turn_out(struct uwt_server *server, uint32_t number)
{
	struct conn *conn = &server->conns.at[number];

	/* It may have ended by itself. */
	if (!(conn->flags & CONN_UNWANTED) || conn->state == CONN_FREE)
		return;
	conn->flags &= (uint16_t)~CONN_UNWANTED;
	if (conn->state == CONN_WEBSOCKET)
		conn_close_websocket(server, number, WS_STATUS_POLICY, false,
		    COUNT_ENDED_PROGRAM);
	else
		conn_end(server, number, false, COUNT_ENDED_PROGRAM);
}

/* Note how long a turn has worked, until now (us). */
static void turn_note(struct uwt_server *server, uint64_t now)
{
	static const uint32_t bounds[COUNT_TURN_BUCKETS - 1] = COUNT_TURN_BOUNDS;
	uint64_t took = now - server->turn_from;
	int bucket = 0;

	if (server->turn_from == 0 || now < server->turn_from)
		return;
	while (bucket < COUNT_TURN_BUCKETS - 1 && took > bounds[bucket])
		bucket++;
	server->counters.turns[bucket]++;
	server->counters.turn_time += took;
	server->turn_from = 0;
}

/* Returns it in us, 0 if it cannot be read: then it stands still. */
static uint64_t read_clock(struct uwt_server *server)
{
	uint64_t us = clock_us();

	if (us != 0)
		server->now = server_time(us) - server->started;
	accept_resume(server);
	return us;
}

/* What the program asked for; callbacks may ask for more meanwhile. */
static void run_wishes(struct uwt_server *server)
{
	while (server->ends_asked > 0) {
		if (server->ends_asked <= ENDS_MAX) {
			conn_turn_out(server, server->ends[--server->ends_asked]);
		} else {
			server->ends_asked = 0;
			each_conn(server, conn_turn_out);
		}
	}
	if (server->close_asked) {
		server->close_asked = false;
		close_now(server);
	}
}

/* Until something is ready; and all that is ready then. */
static void wait_and_dispatch(struct uwt_server *server, int timeout)
{
	struct poll_event events[EVENTS_MAX];
	int limit = wait_limit(server, timeout, timers_due(server)), count;

	count = poll_wait(server->poll, events, EVENTS_MAX, limit);
	server->turn_from = read_clock(server);
	dispatch(server, events, count);
}

/* Do what has waited for its time or for a verdict, and send what that brought about. Returns how
 * long it took, in us since `now`. */
static uint64_t run_due(struct uwt_server *server, uint64_t now)
{
	bool due = server->answered != 0 || timers_due(server) == 0;

	/* First the answers: they came before what is due now. */
	if (server->answered != 0)
		ask_run(server);
	run_timers(server);
	conns_flush(server);
	return due ? clock_us() - now : 0;
}

bool uwt_server_turn(struct uwt_server *server, int timeout)
{
	uint64_t now = read_clock(server), took;

	server->turning = true;
	turn_note(server, now);
	took = run_due(server, now);
	wait_and_dispatch(server, timeout);
	/* As if all had been done after the wait. */
	server->turn_from -= took < server->turn_from ? took : 0;
	if (server->secure.tls != NULL)
		secure_run_queue(server);
	run_wishes(server);
	if (server->closed && server->now >= server->close_by) {
		conns_flush(server);
		each_conn(server, conn_cut);
	}
	conns_leave(server);
	conns_flush(server);
	conns_reap(server);
	server->turning = false;
	/* Who waits elsewhere does not work meanwhile; else the next turn's clock will do. */
	if (timeout >= 0)
		turn_note(server, clock_us());
	return !server->closed || server->conns.live > 0;
}

void uwt_server_run(struct uwt_server *server)
{
	while (uwt_server_turn(server, -1))
		continue;
}

size_t uwt_server_watched(const struct uwt_server *server, struct pollfd *fds, size_t max)
{
	return poll_watched(server->poll, fds, max);
}

int uwt_server_wait(const struct uwt_server *server)
{
	int limit = wait_limit(server, -1, timers_due(server));
	uint64_t since = server_time(clock_us()) - server->started - server->now;

	if (limit <= 0)
		return limit;
	/* All that was counted from the last turn's time. */
	since /= CLOCK_SPEED;
	return since < (uint64_t)limit ? limit - (int)since : 0;
}

/* -- closing ---------------------------------------------------------------------------------- */

void uwt_server_close(struct uwt_server *server, uint32_t grace)
{
	if (server->closed)
		return;
	server->grace = grace;
	if (server->turning)
		server->close_asked = true;
	else
		close_now(server);
}

void uwt_server_wake(struct uwt_server *server)
{
	int fault = errno;
	ssize_t written = write(server->wake[1], "", 1);

	(void)written;      /* a full pipe wakes as well */
	errno = fault;
}

bool uwt_server_end(struct uwt_server *server, uint64_t connection)
{
	uint32_t number = conn_find(server, connection);

	if (number == 0)
		return false;
	if (server->conns.at[number].flags & CONN_UNWANTED)
		return true;
	server->conns.at[number].flags |= CONN_UNWANTED;
	if (server->ends_asked < ENDS_MAX)
		server->ends[server->ends_asked] = number;
	server->ends_asked += server->ends_asked <= ENDS_MAX;
	return true;
}

void uwt_server_ail(struct uwt_server *server, const char *reason)
{
	server->ailment = reason;
}

/* -- what there is ---------------------------------------------------------------------------- */

struct uwt_counts uwt_server_counts(const struct uwt_server *server)
{
	const struct swarm_totals *totals = tracker_totals(server->tracker);

	return (struct uwt_counts){ .connections = server->conns.live,
		.torrents = totals->torrents, .members = totals->members, .peers = totals->peers };
}

void uwt_server_address(const struct uwt_server *server, uint64_t connection,
    char text[UWT_ADDRESS_MAX])
{
	uint32_t number = conn_find(server, connection);

	text[0] = '\0';
	if (number != 0)
		address_text(&server->conns.at[number].address, text);
}

static bool torrent_see(const struct uwt_server *server, uint32_t number,
    struct uwt_torrent *torrent)
{
	const struct swarm *swarm = tracker_swarm(server->tracker);
	struct swarm_counts counts;

	if (number == 0)
		return false;
	counts = swarm_counts(swarm, number);
	*torrent = (struct uwt_torrent){ .number = number,
		.info_hash = swarm_torrent_hash(swarm, number), .complete = counts.complete,
		.incomplete = counts.incomplete, .downloads = counts.downloads };
	return true;
}

bool uwt_torrent_find(const struct uwt_server *server, const uint8_t *info_hash,
    struct uwt_torrent *torrent)
{
	return torrent_see(server, swarm_torrent(tracker_swarm(server->tracker), info_hash),
	    torrent);
}

bool uwt_torrent_next(const struct uwt_server *server, struct uwt_torrent *torrent)
{
	return torrent_see(server, swarm_torrent_next(tracker_swarm(server->tracker),
	    torrent->number), torrent);
}

bool uwt_torrent_member(const struct uwt_server *server, const struct uwt_torrent *torrent,
    uint32_t place, struct uwt_member *member)
{
	const struct swarm *swarm = tracker_swarm(server->tracker);
	struct swarm_counts counts = swarm_counts(swarm, torrent->number);
	uint32_t at;

	if (place >= counts.complete + counts.incomplete)
		return false;
	at = swarm_member_at(swarm, torrent->number, place);
	*member = (struct uwt_member){ .peer_id = swarm_member_id(swarm, at),
		.complete = swarm_is_seeder(swarm, at),
		.connection = conn_id(server, swarm_link(swarm, at)) };
	return true;
}

void uwt_torrent_drop(struct uwt_server *server, const uint8_t *info_hash)
{
	uint32_t torrent = swarm_torrent(tracker_swarm(server->tracker), info_hash);

	/* Nothing else may end while this counts the members down. */
	server->turning = true;
	if (torrent != 0)
		tracker_drop(server->tracker, torrent);
	server->turning = false;
}

const char *uwt_backend(void)
{
	return poll_name();
}

_Static_assert(UWT_HISTORY_MAX == HISTORY_FILE_MAX, "a history must fit");

size_t uwt_server_history(const struct uwt_server *server, uint8_t *out)
{
	return history_save(server->history, out);
}

const char *uwt_server_restore(struct uwt_server *server, const uint8_t *data, size_t length)
{
	server->shown[SHOWN_HISTORY].length = 0;
	return history_load(server->history, data, length);
}
