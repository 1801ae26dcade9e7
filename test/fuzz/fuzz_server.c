/*
 * fuzz_server.c - the whole server: several clients' bytes, in turns that they share with time
 * passing, sockets that take or give only a part, and faults of the system.
 *
 * The input is three bytes of settings and then operations, each a byte that names it, a byte that
 * names the client, and what it needs (see `operations`). fuzz_secure is the same with TLS.
 */
#include "fuzz.h"

#include <errno.h>
#include <stdarg.h>

#include "rig.h"

#define OPERATIONS_MAX 600
#define FLOOD_MAX (160 * 1024)
#define PAGE_SIZE (100 * 1024)  /* of an operator's, more than is encrypted at a time */
#define REQUESTS_MAX (32 * 1024)
#define RECORDS_MANY 1100       /* more than a connection may have without application data */

static bool secure;             /* TLS is on */
static size_t requests_left;    /* bytes of them in floods: each request takes a turn */

/* -- messages ---------------------------------------------------------------------------- */

struct message {
	size_t length;
	char text[RIG_MESSAGE_MAX];
};

static void add(struct message *message, const char *format, ...)
{
	size_t left = sizeof message->text - message->length;
	va_list values;
	int length;

	va_start(values, format);
	length = vsnprintf(message->text + message->length, left, format, values);
	va_end(values);
	message->length += (size_t)length < left ? (size_t)length : left - 1;
}

/* An id, written in one of three ways: as it is, escaped, or with what JSON must escape. */
static void add_id(struct message *message, const char *name, unsigned number, unsigned way)
{
	static const char *const forms[] = {
		"aaaaaaaaaaaaaaaaaa%c%c", "\\u0061\\u0061aaaaaaaaaaaaaaa\\u0061%c%c",
		"-WW0102-\xc3\xbf\\u0000\\\"\\\\aaaaaa%c%c", "-XL%c%c--aaaaaaaaaaaaa"
	};
	char id[160];

	snprintf(id, sizeof id, forms[way % 4], 'a' + (int)(number / 16 % 16),
	    'a' + (int)(number % 16));
	add(message, ",\"%s\":\"%s\"", name, id);
}

/* A text of the size that a byte stands for. */
static void add_filling(struct message *message, uint8_t size)
{
	size_t length = (size_t)size * size / 8;

	add(message, "v=0\\r\\n");
	while (length-- > 0 && message->length < sizeof message->text - 300)
		message->text[message->length++] = (char)('a' + length % 26);
	message->text[message->length] = '\0';
}

static void add_offers(struct message *message, unsigned count, uint8_t size)
{
	unsigned i;

	add(message, ",\"offers\":[");
	for (i = 0; i < count && message->length < sizeof message->text - 1000; i++) {
		add(message, "%s{\"offer\":{\"type\":\"offer\",\"sdp\":\"", i > 0 ? "," : "");
		add_filling(message, (uint8_t)(size + i));
		add(message, "\"},\"offer_id\":\"%u\"}", i);
	}
	add(message, "]");
}

static void announce(struct client *client, struct input *input)
{
	static const char *const events[] = { "started", "completed", "stopped", "update" };
	struct message message = { 0 };
	uint8_t ids = input_byte(input), how = input_byte(input), offers = input_byte(input);

	add(&message, "{\"action\":\"announce\"");
	add_id(&message, "info_hash", ids % 16, how % 16 / 4);
	add_id(&message, "peer_id", ids / 16, how / 16 / 4);
	add(&message, ",\"event\":\"%s\",\"left\":%d", events[how % 4], how & 16 ? 0 : 1);
	if (how & 32)
		add(&message, ",\"numwant\":%d", offers % 8);
	if (offers > 0)
		add_offers(&message, offers % 32, offers);
	add(&message, "}");
	client_message(client, message.text, message.length);
}

static void answer(struct client *client, struct input *input)
{
	struct message message = { 0 };
	uint8_t ids = input_byte(input), to = input_byte(input), size = input_byte(input);

	add(&message, "{\"action\":\"announce\"");
	add_id(&message, "info_hash", ids % 16, to / 64);
	add_id(&message, "peer_id", ids / 16, to / 64);
	add_id(&message, "to_peer_id", to % 16, to / 16);
	add(&message, ",\"answer\":{\"type\":\"answer\",\"sdp\":\"");
	add_filling(&message, size);
	add(&message, "\"},\"offer_id\":\"%u\"%s}", ids, size == 9 ? ",\"event\":\"stopped\"" : "");
	client_message(client, message.text, message.length);
}

static void scrape(struct client *client, struct input *input)
{
	struct message message = { 0 };
	unsigned hashes = input_two(input), i;

	add(&message, "{\"action\":\"scrape\",\"x\":[0");
	for (i = 0; i < 16; i++)
		add(&message, ",%u", i);
	add(&message, "]");
	if (hashes % 7 == 1)
		add_id(&message, "info_hash", hashes % 16, hashes / 16);
	else if (hashes % 7 > 1)
		add(&message, ",\"info_hash\":[");
	for (i = 0; hashes % 7 > 1 && i < hashes % 19; i++)
		add(&message, "%s\"aaaaaaaaaaaaaaaaaaa%c\"", i > 0 ? "," : "", 'a' + (int)i);
	add(&message, "%s}", hashes % 7 > 1 ? "]" : "");
	client_message(client, message.text, message.length);
}

/* -- what is not all right ----------------------------------------------------------------- */

#define UPGRADE(rest) \
    "GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" rest "\r\n\r\n"

static void request(struct client *client, struct input *input)
{
	static const char forwarded[] = UPGRADE("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	    "Sec-WebSocket-Version: 13\r\nX-Forwarded-For: 198.51.100.1, 2001:db8::9");
	static const char bad_key[] = UPGRADE("Sec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13");
	static const char *const heads[] = {
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "GET /stats HTTP/1.1\r\n\r\n",
		"GET /stats.json HTTP/1.1\r\n\r\n", "HEAD /stats HTTP/1.1\r\n\r\n",
		"GET /stats HTTP/1.1\r\nAccept: text/html\r\n\r\n", "GET / HTTP/1.0\r\n\r\n",
		"POST / HTTP/1.1\r\n\r\n", "GET /x HTTP/1.1\r\nContent-Length: 4\r\n\r\nbody",
		"GET /a HTTP/1.1\r\nSec-WebSocket-Key: x\r\n\r\n", "\x16\x03\x01\x02\x00\x01",
		forwarded, bad_key,
		"GET https://a/stats HTTP/1.1\r\nConnection: close\r\n\r\n", "GET /\r\n\r\n",
		"\r\n",
		"GET /\n"
	};
	const char *head = heads[input_byte(input) % (sizeof heads / sizeof heads[0])];

	client->clean = false;
	client_send(client, head, strlen(head));
}

static void bytes(struct client *client, struct input *input)
{
	struct input part = input_part(input, input_byte(input));

	client->clean = false;
	client_send(client, part.at, part.left);
}

static void frame(struct client *client, struct input *input)
{
	uint8_t first = input_byte(input);
	struct input part = input_part(input, input_byte(input));

	client->clean = false;
	client_frame(client, first, part.at, part.left);
}

static void json(struct client *client, struct input *input)
{
	struct input part = input_part(input, input_byte(input));

	if (ws_utf8_valid(part.at, part.left))
		client_message(client, (const char *)part.at, part.left);
}

/* Much of one kind: bytes, requests, pings, or a message that is never whole. */
static void flood(struct client *client, struct input *input)
{
	uint8_t kind = input_byte(input);
	size_t length = (size_t)input_byte(input) * 1024, i;
	uint8_t *many;

	client->clean = false;
	if (length > FLOOD_MAX)
		length = FLOOD_MAX;
	if (kind >= 128) {
		length = length / 16 < requests_left ? length / 16 : requests_left;
		requests_left -= length;
	}
	many = malloc(length + 1);
	if (many == NULL)
		abort();
	for (i = 0; i < length; i++)
		many[i] = kind < 128 ? kind : (uint8_t)"GET / HTTP/1.1\r\n\r\n"[i % 18];
	if (kind % 4 == 1)
		client_frame(client, WS_TEXT, many, length);
	else
		client_send(client, many, length);
	for (i = 0; kind % 4 == 3 && i < length / 512; i++)
		client_frame(client, 0x80 | WS_PING, many, i % WS_CONTROL_MAX);
	free(many);
}

/* -- the system ------------------------------------------------------------------------------ */

static void window(struct client *client, struct input *input)
{
	static const size_t sizes[] = { 0, 1, 7, 100, 1000, 10000, 100000, WORLD_ANY };
	uint8_t which = input_byte(input) % 8;

	if (which < 7)
		client->slow = true;
	world.sockets[client->peer].window = sizes[which];
}

static void chunk(struct client *client, struct input *input)
{
	static const size_t sizes[] = { 1, 2, 5, 60, 1000, WORLD_ANY };

	world.sockets[client->peer].chunk = sizes[input_byte(input) % 6];
}

/* The next call of one kind fails: with errors that mean nothing, and others. */
static void fault(struct client *client, struct input *input)
{
	static const int reads[] = { EINTR, EAGAIN, ENOBUFS, ENOMEM, ECONNRESET, ETIMEDOUT };
	static const int writes[] = { EINTR, EAGAIN, ENOBUFS, ENOMEM, EPIPE, ECONNRESET };
	static const int accepts[] = { EINTR, ECONNABORTED, EMFILE, ENFILE, ENOBUFS, ENOMEM };
	uint8_t which = input_byte(input), kind = which / 16 % 8;

	client->clean &= which % 16 % 6 < 4 && kind < 2;
	/* Of these it is not known whom they meet. */
	rig.roomy &= kind < 3;
	switch (kind) {
	case 0: world.sockets[client->peer].read_fault = reads[which % 16 % 6]; break;
	case 1: world.sockets[client->peer].write_fault = writes[which % 16 % 6]; break;
	case 2: world.accept_fault = accepts[which % 16 % 6]; break;
	case 3: world.add_fault = true; break;
	case 4: world.change_fault = true; break;
	case 5: world.clock_fault = true; break;
	default: world.random_fault = true;
	}
}

static void leave(struct client *client, struct input *input)
{
	uint8_t how = input_byte(input);

	if (how % 4 == 3) {
		client_break(client, ECONNRESET);
		return;
	}
	/* The far end may be gone for what is sent, or only have said its last. */
	world.sockets[client->peer].gone = how % 4 == 1;
	client_end(client);
}

static void pass(struct client *client, struct input *input)
{
	static const unsigned times[] = { 1, 10, 100, 1000, 2000, 5000, 10000, 15000, 45000, 60000,
		120000, 600000, 1200000, 86400000 };
	uint8_t which = input_byte(input);

	(void)client;
	world.now += (uint64_t)times[which % 14] * 1000;
	world.order = which;
}

static void turn(struct client *client, struct input *input)
{
	uint8_t how = input_byte(input);

	(void)client;
	if (how % 4 == 0)
		rig_turn(true);
	else if (how % 4 == 1)
		rig_settle();
	else
		rig_turn(false);
}

static void shut(struct client *client, struct input *input)
{
	uint8_t how = input_byte(input);

	(void)client;
	if (how < 128) {
		uwt_server_wake(rig.server);
		return;
	}
	rig.closing = true;
	uwt_server_close(rig.server, how % 8 * 1000u);
}

static void manner(struct client *client, struct input *input)
{
	uint8_t how = input_byte(input);

	client->split = how % 12;
	client->mute |= how >= 200;
}

static void open_client(unsigned number, struct input *input)
{
	uint8_t address = input_byte(input), how = input_byte(input);
	struct client *client = client_at(number);

	if (client->used && !world.sockets[client->peer].open &&
	    !world.sockets[client->peer].waiting)
		client_drop(client);
	if (client->used)
		return;
	client = client_connect(number, address);
	if (!client->used)
		return;
	if (secure && how & 2)
		client->cipher = cipher_new(how / 4, how & 128,
		    how & 64 ? "rsa.example" : "a.ec.example");
	if (how & 1)
		client_upgrade(client);
}

/* -- TLS ------------------------------------------------------------------------------------- */

/* Change a byte of what is on its way to the server. */
static void spoil(struct client *client, struct input *input)
{
	struct world_bytes *in = &world.sockets[client->peer].in;
	unsigned at = input_two(input);
	uint8_t with = input_byte(input);

	client->clean = false;
	client_receive(client);
	if (in->length > 0)
		in->at[at % in->length] ^= with;
}

static void record_put(const struct client *client, uint8_t type, struct input part)
{
	struct world_socket *socket = &world.sockets[client->peer];
	uint8_t head[5] = { type, 3, 3, 0, (uint8_t)part.left };

	if (socket->in_ended)
		return;
	world_bytes_add(&socket->in, head, sizeof head);
	world_bytes_add(&socket->in, part.at, part.left);
}

/* A record that no cipher has made, or an end of what a cipher does. */
static void record(struct client *client, struct input *input)
{
	uint8_t type = input_byte(input), size = input_byte(input);
	struct input part = input_part(input, size);

	client->clean = false;
	if (client->cipher != NULL && type == 1) {
		cipher_end(client->cipher);
	} else if (client->cipher != NULL && type == 2) {
		cipher_renegotiate(client->cipher);
	} else {
		record_put(client, type, part);
	}
}

static void many_records(struct client *client, struct input *input)
{
	uint8_t type = input_byte(input), size = input_byte(input) % 16;
	struct input part = input_part(input, size);
	int i;

	client->clean = false;
	for (i = 0; i < RECORDS_MANY; i++)
		record_put(client, type, part);
}

/* -- all together ------------------------------------------------------------------------------ */

/* The first few need no client. */
static void (*const operations[])(struct client *, struct input *) = {
	turn, turn, turn, turn, pass, pass, shut, announce, announce, announce, announce, answer,
	answer, scrape, json, bytes, frame, request, window, chunk, fault, leave, flood, manner,
	spoil, record, many_records
};

#define OPERATIONS (sizeof operations / sizeof operations[0])
#define ALONE 7

/* The first byte of settings says how large tables are, and whether there are limits for each
 * client and a page of the operator's. */
#define SIZES 6

static struct uwt_options settings(uint8_t size, uint8_t flags)
{
	static const struct { uint32_t conns, peers, torrents, swarms, message; uint64_t pool; }
	    sizes[SIZES] = {
		{ 24, 2000, 200, 300, 65536, 8 << 20 }, { 3, 6, 3, 3, 1024, 16384 },
		{ 6, 24, 8, 8, 4096, 65536 }, { 16, 64, 16, 64, 16384, 40000 },
		{ 2, 16, 16, 16, 20000, 4096 }, { 8, 8, 8, 8, 300000, 400000 }
	};
	static char page[PAGE_SIZE];
	struct uwt_options options;
	size_t at = size % SIZES;

	uwt_options_init(&options);
	options.max_rate = size / SIZES & 1 ? 3 : 0;
	options.max_per_address = size / SIZES & 2 ? 2 : 0;
	if (size / SIZES & 4) {
		memset(page, 'x', sizeof page);
		options.page = page;
		options.page_size = sizeof page;
	}
	options.max_connections = sizes[at].conns;
	options.max_peers = sizes[at].peers;
	options.max_torrents = sizes[at].torrents;
	options.max_swarms = sizes[at].swarms;
	options.max_message = sizes[at].message;
	options.buffer_memory = sizes[at].pool;
	options.full_scrape = flags & 1;
	options.stats = !(flags & 2);
	options.landing = !(flags & 4);
	options.trust_proxy = flags & 8;
	options.interval = flags & 16 ? 1000 : 600000;
	options.tls = secure;
	options.tls_only = secure && flags & 32;
	options.tls_whole = flags & 64;
	options.tls_sessions = flags & 128 ? 1 : 8;
	options.max_handshakes = flags & 128 ? 2 : 8;
	return options;
}

static void operate(struct input *input)
{
	uint8_t what = input_byte(input), who = input_byte(input);
	struct client *client = client_at(who);

	if (what % 32 >= OPERATIONS || (what % 32 >= ALONE && !client->used))
		open_client(who, input);
	else
		operations[what % 32](client, input);
}

static int run(const uint8_t *data, size_t size)
{
	struct input input = { data, size };
	uint8_t kind = input_byte(&input), flags = input_byte(&input), tick = input_byte(&input);
	struct uwt_options options = settings(kind, flags);
	int count;

	requests_left = REQUESTS_MAX;
	rig_begin(&options, kind == 0);
	world.tick = (uint64_t)tick * tick / 4;
	for (count = 0; count < OPERATIONS_MAX && input.left > 0; count++)
		operate(&input);
	world.tick = 0;
	rig_end();
	return 0;
}

int fuzz_server(const uint8_t *data, size_t size)
{
	secure = false;
	return run(data, size);
}

int fuzz_secure(const uint8_t *data, size_t size)
{
	secure = true;
	return run(data, size);
}
