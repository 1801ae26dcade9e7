/* client.c - clients of a server under test; see rig.h */
#include <netinet/in.h>
#include <sys/un.h>

#include "fuzz.h"
#include "tree.h"
#include "rig.h"

/* -- coming and going -------------------------------------------------------------------- */

struct client *client_at(unsigned number)
{
	return &rig.clients[number % RIG_CLIENTS];
}

static socklen_t address_make(uint8_t number, struct sockaddr_storage *address)
{
	struct sockaddr_in *ipv4 = (struct sockaddr_in *)address;
	struct sockaddr_in6 *ipv6 = (struct sockaddr_in6 *)address;

	memset(address, 0, sizeof *address);
	if (number == 255) {
		address->ss_family = AF_UNIX;
		return sizeof(struct sockaddr_un);
	}
	if (number % 2 == 0) {
		ipv4->sin_family = AF_INET;
		ipv4->sin_addr.s_addr = htonl((number < 128 ? 0x7f000001u : 0xc0000200u) + number);
		return sizeof *ipv4;
	}
	ipv6->sin6_family = AF_INET6;
	memcpy(&ipv6->sin6_addr, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0", 15);
	((uint8_t *)&ipv6->sin6_addr)[15] = number;
	return sizeof *ipv6;
}

struct client *client_connect(unsigned number, uint8_t address)
{
	struct client *client = client_at(number);
	struct sockaddr_storage from;
	socklen_t length = address_make(address, &from);
	int peer;

	if (client->used)
		return client;
	peer = world_connect((const struct sockaddr *)&from, length);
	if (peer < 0)
		return client;
	*client = (struct client){ .used = true, .peer = peer, .clean = true };
	return client;
}

void client_drop(struct client *client)
{
	if (!client->used)
		return;
	world.sockets[client->peer].waiting = false;
	world_forget(client->peer);
	cipher_free(client->cipher);
	world_bytes_free(&client->got);
	free(client->sent.at);
	free(client->told.at);
	*client = (struct client){ .used = false };
}

void client_end(struct client *client)
{
	if (!client->used)
		return;
	world.sockets[client->peer].in_ended = true;
	client->left = true;
}

void client_break(struct client *client, int fault)
{
	if (!client->used)
		return;
	world.sockets[client->peer].broken = fault;
	client->left = true;
}

/* -- saying ------------------------------------------------------------------------------ */

void client_send(struct client *client, const void *bytes, size_t length)
{
	struct world_socket *socket = &world.sockets[client->peer];

	if (!client->used || socket->in_ended)
		return;
	if (client->cipher != NULL)
		cipher_send(client->cipher, bytes, length);
	else
		world_bytes_add(&socket->in, bytes, length);
}

void client_frame(struct client *client, uint8_t first, const void *payload, size_t length)
{
	uint8_t head[WS_HEAD_MAX], *masked = exact_copy(payload, length);
	static const uint8_t mask[4] = { 0x00, 0xff, 0x37, 0x80 };
	size_t size = ws_frame_head(WS_TEXT, length, head);

	head[0] = first;
	head[1] |= 0x80;
	memcpy(head + size, mask, 4);
	ws_unmask(masked, length, mask);
	client_send(client, head, size + 4);
	client_send(client, masked, length);
	free(masked);
}

void client_message(struct client *client, const char *text, size_t length)
{
	size_t part = length / (client->split + 1u) + 1, at = 0;
	uint8_t opcode = WS_TEXT;

	if (!client->used || client->left)
		return;
	queue_add(&client->sent, rig_hash(text, length));
	while (length - at > part) {
		client_frame(client, opcode, text + at, part);
		/* A ping between fragments has an answer of its own. */
		if (client->split % 3 == 2)
			client_frame(client, 0x80 | WS_PING, text, part % WS_CONTROL_MAX);
		opcode = WS_CONTINUATION;
		at += part;
	}
	client_frame(client, 0x80 | opcode, text + at, length - at);
}

void client_upgrade(struct client *client)
{
	static const char request[] = "GET /announce HTTP/1.1\r\nHost: tracker.example\r\n"
	    "Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
	    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

	client_send(client, request, sizeof request - 1);
}

/* -- hearing: answers to requests ------------------------------------------------------------ */

/* The value of a header's line, of which the head has one; or NULL. */
static const char *value_of(const char *head, const char *name)
{
	const char *line = strstr(head, name);

	return line != NULL ? line + strlen(name) : NULL;
}

static void head_judge(struct client *client, const char *head)
{
	static const int statuses[] = { 101, 200, 308, 400, 403, 404, 405, 408, 413, 426, 429, 431,
		503, 505 };
	const char *length = value_of(head, "\r\nContent-Length: ");
	int status = atoi(head + 9);
	size_t i;

	for (i = 0; i < sizeof statuses / sizeof statuses[0] && statuses[i] != status; i++)
		continue;
	MUST(i < sizeof statuses / sizeof statuses[0]);
	MUST((length != NULL) == (status != 101));
	client->last = value_of(head, "\r\nConnection: close\r\n") != NULL;
	if (status == 101) {
		MUST(value_of(head, "\r\nSec-WebSocket-Accept: ") != NULL && !client->last);
		client->reads = CLIENT_READS_FRAMES;
		return;
	}
	client->body = (size_t)strtoul(length, NULL, 10);
	client->json = value_of(head, "\r\nContent-Type: application/json\r\n") != NULL;
	client->may_have_none = true;
	client->reads = CLIENT_READS_BODY;
}

static bool head_read(struct client *client)
{
	char *text, *end;
	bool whole;

	if (client->got.at[0] != 'H' && !client->clean && client->cipher == NULL) {
		MUST(client->got.at[0] >= 20 && client->got.at[0] <= 23);
		client->reads = CLIENT_READS_RECORDS;
		return true;
	}
	text = text_copy(client->got.at, client->got.length);
	end = strstr(text, "\r\n\r\n");
	whole = end != NULL;
	MUST(strncmp(text, "HTTP/1.1 ", client->got.length < 9 ? client->got.length : 9) == 0);
	if (whole) {
		end[2] = '\0';
		head_judge(client, text);
		world_bytes_drop(&client->got, (size_t)(end + 4 - text));
	} else {
		MUST(client->got.length < 1024);
	}
	free(text);
	return whole;
}

/* A body there is, unless the next answer follows at once: who asks by HEAD gets none. */
static bool body_read(struct client *client)
{
	static const char next[] = "HTTP/1.1 ";
	size_t part = client->got.length;

	if (client->may_have_none) {
		size_t same = part < 9 ? part : 9;

		if (memcmp(client->got.at, next, same) == 0) {
			if (part < 9)
				return false;
			client->body = 0;
		}
		client->may_have_none = false;
	}
	part = part < client->body ? part : client->body;
	if (client->json && client->body > 0) {
		struct tree *json;

		if (part < client->body)
			return false;
		json = tree_read((const char *)client->got.at, part);
		MUST(json != NULL && json->kind == TREE_OBJECT);
		tree_free(json);
	}
	client->body -= part;
	world_bytes_drop(&client->got, part);
	if (client->body > 0)
		return false;
	client->reads = client->last ? CLIENT_READS_NOTHING : CLIENT_READS_HEAD;
	return true;
}

/* -- hearing: frames ------------------------------------------------------------------------ */

/* What has come must be one of those that were sent, and none that was due is left out. */
static void queue_meet(struct queue *queue, uint64_t value)
{
	while (queue->next < queue->count && queue->at[queue->next] != value) {
		MUST(queue->next >= queue->due);
		queue->next++;
	}
	MUST(queue->next < queue->count);
	queue->next++;
}

static void pong(struct client *client, const uint8_t *payload, size_t length)
{
	if (!client->mute && !client->left)
		client_frame(client, 0x80 | WS_PONG, payload, length);
}

static void frame_judge(struct client *client, uint8_t first, const uint8_t *payload,
    size_t length)
{
	struct tree *json;
	unsigned code = length >= 2 ? (unsigned)(payload[0] << 8 | payload[1]) : 0;

	switch (first) {
	case 0x80 | WS_TEXT:
		MUST(ws_utf8_valid(payload, length));
		json = tree_read((const char *)payload, length);
		MUST(json != NULL && json->kind == TREE_OBJECT);
		tree_free(json);
		queue_meet(&client->told, rig_hash(payload, length));
		break;
	case 0x80 | WS_PING:
		MUST(length == 0);
		pong(client, payload, length);
		break;
	case 0x80 | WS_PONG:
		MUST(length <= WS_CONTROL_MAX);
		queue_meet(&client->told, rig_hash(payload, length));
		break;
	default:
		MUST(first == (0x80 | WS_CLOSE) && (length == 0 || length == 2));
		MUST(length == 0 || ws_close_answer(payload, 2) == code);
		client->reads = CLIENT_READS_NOTHING;
	}
}

static bool frame_read(struct client *client)
{
	const struct world_bytes *got = &client->got;
	uint64_t length, i;
	size_t head = 2;

	if (got->length < 2)
		return false;
	length = got->at[1];
	MUST(length < 128);
	if (length >= 126) {
		head = length == 126 ? 4 : 10;
		if (got->length < head)
			return false;
		for (length = 0, i = 2; i < head; i++)
			length = length << 8 | got->at[i];
		MUST(length >= (head == 4 ? 126u : 65536u) && length < 16 << 20);
	}
	if (got->length - head < length)
		return false;
	frame_judge(client, got->at[0], got->at + head, (size_t)length);
	world_bytes_drop(&client->got, head + (size_t)length);
	return true;
}

static bool records_read(struct client *client)
{
	world_bytes_drop(&client->got, client->got.length);
	return false;
}

static void note_heard(struct client *client, size_t before)
{
	const struct world_bytes *got = &client->got;
	size_t i;

	client->heard += got->length - before;
	for (i = before; i < got->length; i++)
		client->heard_hash = (client->heard_hash ^ got->at[i]) * 0x100000001b3;
}

void client_receive(struct client *client)
{
	struct world_socket *socket = &world.sockets[client->peer];
	size_t before = client->got.length;
	bool more = true;

	if (!client->used)
		return;
	if (client->cipher != NULL) {
		cipher_pump(client->cipher, socket, &client->got);
	} else {
		world_bytes_add(&client->got, socket->out.at, socket->out.length);
		world_bytes_drop(&socket->out, socket->out.length);
	}
	note_heard(client, before);
	while (more && client->got.length > 0) {
		switch (client->reads) {
		case CLIENT_READS_HEAD: more = head_read(client); break;
		case CLIENT_READS_BODY: more = body_read(client); break;
		case CLIENT_READS_FRAMES: more = frame_read(client); break;
		case CLIENT_READS_RECORDS: more = records_read(client); break;
		case CLIENT_READS_NOTHING: MUST(client->got.length == 0); break;
		}
	}
	/* What it has said to that goes too. */
	if (client->cipher != NULL)
		cipher_pump(client->cipher, socket, &client->got);
}
