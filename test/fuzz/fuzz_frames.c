/*
 * fuzz_frames.c - a WebSocket's bytes: messages, their fragments, and what comes between, compared
 * with a plain reading of RFC 6455; in one read and in many.
 *
 * The first byte chooses the longest message, the second how many bytes a read gives.
 */
#include "fuzz.h"

#include "rig.h"

#define STEPS_MAX 8192
#define FRAMES_MAX 6000
#define TURNS_MAX 9000

struct trace {
	size_t count;
	struct {
		enum rig_step step;
		uint64_t value;
	} steps[STEPS_MAX];
};

static struct trace expected, found;

static void trace_add(struct trace *trace, enum rig_step step, uint64_t value)
{
	MUST(trace->count < STEPS_MAX);
	trace->steps[trace->count].step = step;
	trace->steps[trace->count++].value = value;
}

static void found_step(enum rig_step step, uint64_t value)
{
	trace_add(&found, step, value);
}

/* -- the plain way ----------------------------------------------------------------------- */

/* What is gathered of a message. */
struct gathered {
	size_t most, length;
	bool open;              /* a fragment was the last that came */
	uint8_t *text;
};

/* A whole control frame. Returns false if it ends the connection. */
static bool plain_control(const struct ws_frame *frame, const uint8_t *payload)
{
	if (frame->opcode == WS_PING)
		trace_add(&expected, RIG_PONG, rig_hash(payload, (size_t)frame->length));
	if (frame->opcode != WS_CLOSE)
		return true;
	trace_add(&expected, RIG_CLOSE, ws_close_answer(payload, (size_t)frame->length));
	return false;
}

static bool plain_end(enum ws_status status)
{
	trace_add(&expected, RIG_CLOSE, status);
	return false;
}

/* A data frame, of which `there` bytes of payload have come. Returns false if it ends the
 * connection. */
static bool plain_data(struct gathered *gathered, const struct ws_frame *frame,
    const uint8_t *payload, size_t there)
{
	if ((frame->opcode == WS_CONTINUATION) != gathered->open)
		return plain_end(WS_STATUS_PROTOCOL);
	if (frame->length > gathered->most - gathered->length)
		return plain_end(WS_STATUS_TOO_BIG);
	if (there < frame->length)
		return true;
	memcpy(gathered->text + gathered->length, payload, (size_t)frame->length);
	gathered->length += (size_t)frame->length;
	gathered->open = !frame->fin;
	if (!frame->fin)
		return true;
	if (!ws_utf8_valid(gathered->text, gathered->length))
		return plain_end(WS_STATUS_NOT_UTF8);
	trace_add(&expected, RIG_MESSAGE, rig_hash(gathered->text, gathered->length));
	gathered->length = 0;
	return true;
}

static void plain_read(uint8_t *at, size_t left, size_t most)
{
	struct gathered gathered = { .most = most, .text = malloc(most + 1) };
	struct ws_frame frame;
	enum ws_result result;
	size_t there;
	bool more = true;

	if (gathered.text == NULL)
		abort();
	expected.count = 0;
	while (more && (result = ws_frame_read(at, left, &frame)) != WS_PARTIAL) {
		if (result == WS_BAD) {
			plain_end(WS_STATUS_PROTOCOL);
			break;
		}
		at += frame.head;
		left -= frame.head;
		there = frame.length < left ? (size_t)frame.length : left;
		ws_unmask(at, there, frame.mask);
		if (frame.opcode < WS_CLOSE)
			more = plain_data(&gathered, &frame, at, there);
		else if (there == frame.length)
			more = plain_control(&frame, at);
		if (there < frame.length)
			break;
		at += there;
		left -= there;
	}
	free(gathered.text);
}

/* -- the server's way ---------------------------------------------------------------------- */

static void server_read(const uint8_t *data, size_t size, size_t most, size_t chunk)
{
	struct uwt_options options;
	struct client *client;
	int turns = 0;

	uwt_options_init(&options);
	options.max_connections = 2;
	options.max_peers = options.max_torrents = 64;
	options.max_swarms = 16;
	options.max_message = (uint32_t)most;
	options.buffer_memory = 4 << 20;
	rig_begin(&options, true);
	client = client_connect(0, 1);
	client_upgrade(client);
	rig_settle();
	MUST(client->reads == CLIENT_READS_FRAMES);
	found.count = 0;
	rig.step = found_step;
	client->clean = false;
	world.sockets[client->peer].chunk = chunk;
	client_send(client, data, size);
	do
		rig_turn(false);
	while (world.sockets[client->peer].open && world.sockets[client->peer].in.length > 0 &&
	    turns++ < TURNS_MAX);
	MUST(turns < TURNS_MAX);
	rig.step = NULL;
	rig_end();
}

static void compare(void)
{
	size_t i;

	MUST(found.count == expected.count);
	for (i = 0; i < found.count; i++) {
		MUST(found.steps[i].step == expected.steps[i].step);
		MUST(found.steps[i].value == expected.steps[i].value);
	}
}

int fuzz_frames(const uint8_t *data, size_t size)
{
	static const size_t longest[] = { 1024, 2048, 70000, 300000 };
	static const size_t chunks[] = { 1, 2, 3, 13, 14, 100, 1017 };
	struct input input = { data, size };
	size_t most = longest[input_byte(&input) % 4], chunk = chunks[input_byte(&input) % 7];
	size_t length;
	uint8_t *copy, *whole;

	input = input_part(&input, FRAMES_MAX);
	length = input.left + RIG_END;
	whole = calloc(length, 1);
	if (whole == NULL)
		abort();
	if (input.left > 0)
		memcpy(whole, input.at, input.left);
	copy = exact_copy(whole, length);
	plain_read(copy, length, most);
	free(copy);
	server_read(whole, length, most, WORLD_ANY);
	compare();
	server_read(whole, length, most, chunk);
	compare();
	free(whole);
	return 0;
}
