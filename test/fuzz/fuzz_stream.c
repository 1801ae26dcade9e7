/*
 * fuzz_stream.c - one connection's bytes, in one read and in many: the answer must be the same.
 *
 * The first byte says how many bytes a read gives the second time; the third time it is one.
 */
#include "fuzz.h"

#include "rig.h"

#define STREAM_MAX 4000
#define TURNS_MAX 9000

struct outcome {
	size_t heard;
	uint64_t hash;
	bool open, shut;
};

static bool is_read(const struct client *client)
{
	const struct world_socket *socket = &world.sockets[client->peer];

	return !socket->open || (socket->in.length == 0 && (socket->interest & 2) == 0);
}

static struct outcome talk(struct input input, size_t chunk)
{
	/* What is wrong in a part of a frame's head shows at the latest when that is whole. */
	static const uint8_t end[RIG_END];
	struct uwt_options options;
	struct client *client;
	struct outcome outcome;
	int turns = 0;

	uwt_options_init(&options);
	options.max_connections = 2;
	options.max_peers = options.max_torrents = 64;
	options.max_swarms = 16;
	options.max_message = 4096;
	options.buffer_memory = 4 << 20;
	options.full_scrape = true;
	options.stats = false;          /* how long a turn takes shows there */
	rig_begin(&options, true);
	client = client_connect(0, 2);
	rig_turn(false);
	client->clean = false;
	world.sockets[client->peer].chunk = chunk;
	client_send(client, input.at, input.left);
	client_send(client, end, sizeof end);
	do
		rig_turn(false);
	while (!is_read(client) && turns++ < TURNS_MAX);
	MUST(turns < TURNS_MAX);
	rig_turn(false);
	outcome = (struct outcome){ client->heard, client->heard_hash,
		world.sockets[client->peer].open, world.sockets[client->peer].shut };
	rig_end();
	return outcome;
}

int fuzz_stream(const uint8_t *data, size_t size)
{
	struct input input = { data, size };
	size_t chunk = input_byte(&input) + 1u;
	struct outcome whole, parts, bytes;

	input = input_part(&input, STREAM_MAX);
	whole = talk(input, WORLD_ANY);
	parts = talk(input, chunk);
	bytes = talk(input, 1);
	MUST(whole.heard == parts.heard && whole.hash == parts.hash);
	MUST(whole.heard == bytes.heard && whole.hash == bytes.hash);
	MUST(whole.open == parts.open && whole.open == bytes.open);
	MUST(whole.shut == parts.shut && whole.shut == bytes.shut);
	return 0;
}
