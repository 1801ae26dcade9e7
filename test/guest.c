/* guest.c - see guest.h; with GUEST_TLS they speak TLS too, by BearSSL */
#include "guest.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifdef GUEST_TLS
#include "anyone.h"
#endif

struct bytes {
	char *at;
	size_t length, max;
};

struct guest {
	int fd;
	bool websocket, ended;
	bool bodiless;          /* the last request was a HEAD */
	bool lengths;           /* of bodies only these are heard */
	struct bytes out;       /* plaintext to be written */
	struct bytes in;        /* plaintext that was read */
	struct bytes heard, told;
	struct channel *channel;        /* NULL: no TLS */
};

static void bytes_add(struct bytes *bytes, const void *data, size_t length)
{
	if (bytes->length + length + 1 > bytes->max) {
		bytes->max = (bytes->length + length + 1) * 2 + 256;
		bytes->at = realloc(bytes->at, bytes->max);
		if (bytes->at == NULL)
			abort();
	}
	if (length > 0)
		memcpy(bytes->at + bytes->length, data, length);
	bytes->length += length;
	bytes->at[bytes->length] = '\0';
}

static void bytes_drop(struct bytes *bytes, size_t length)
{
	bytes->length -= length;
	memmove(bytes->at, bytes->at + length, bytes->length + 1);
}

static void hear(struct guest *guest, const char *format, ...)
{
	char line[80000];
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(line, sizeof line - 1, format, arguments);
	va_end(arguments);
	if (length < 0 || (size_t)length >= sizeof line - 1)
		abort();
	line[length] = '\n';
	bytes_add(&guest->heard, line, (size_t)length + 1);
}

/* -- TLS -------------------------------------------------------------------------------- */

#ifdef GUEST_TLS

struct channel {
	br_ssl_client_context client;
	struct anyone anyone;
	unsigned char buffer[BR_SSL_BUFSIZE_BIDI];
};

static struct channel *channel_new(void)
{
	static br_x509_minimal_context unused;
	struct channel *channel = calloc(1, sizeof *channel);
	br_ssl_engine_context *engine;
	uint8_t seed[32];

	if (channel == NULL || getentropy(seed, sizeof seed) != 0)
		abort();
	engine = &channel->client.eng;
	br_ssl_client_init_full(&channel->client, &unused, NULL, 0);
	anyone_use(&channel->anyone, engine);
	br_ssl_engine_set_buffer(engine, channel->buffer, sizeof channel->buffer, 1);
	br_ssl_engine_inject_entropy(engine, seed, sizeof seed);
	br_ssl_client_reset(&channel->client, "localhost", 0);
	return channel;
}

/* Plaintext into the engine, as far as it takes it. */
static bool channel_fill(struct guest *guest)
{
	br_ssl_engine_context *engine = &guest->channel->client.eng;
	size_t room;
	unsigned char *at = br_ssl_engine_sendapp_buf(engine, &room);

	if (at == NULL || guest->out.length == 0)
		return false;
	if (room > guest->out.length)
		room = guest->out.length;
	memcpy(at, guest->out.at, room);
	br_ssl_engine_sendapp_ack(engine, room);
	br_ssl_engine_flush(engine, 0);
	bytes_drop(&guest->out, room);
	return true;
}

/* Records to the socket, and from it. */
static bool channel_send(struct guest *guest)
{
	br_ssl_engine_context *engine = &guest->channel->client.eng;
	size_t length;
	unsigned char *at = br_ssl_engine_sendrec_buf(engine, &length);
	ssize_t sent = at == NULL ? -1 : send(guest->fd, at, length, MSG_NOSIGNAL);

	if (sent <= 0)
		return false;
	br_ssl_engine_sendrec_ack(engine, (size_t)sent);
	return true;
}

static bool channel_receive(struct guest *guest)
{
	br_ssl_engine_context *engine = &guest->channel->client.eng;
	size_t room;
	unsigned char *at = br_ssl_engine_recvrec_buf(engine, &room);
	ssize_t got = at == NULL ? -1 : recv(guest->fd, at, room, 0);

	if (got > 0) {
		br_ssl_engine_recvrec_ack(engine, (size_t)got);
		return true;
	}
	if (got == 0 || (at != NULL && errno == ECONNRESET))
		guest->ended = true;
	return false;
}

static bool channel_empty(struct guest *guest)
{
	br_ssl_engine_context *engine = &guest->channel->client.eng;
	size_t length;
	unsigned char *at = br_ssl_engine_recvapp_buf(engine, &length);

	if (at == NULL)
		return false;
	bytes_add(&guest->in, at, length);
	br_ssl_engine_recvapp_ack(engine, length);
	return true;
}

static bool channel_step(struct guest *guest)
{
	bool any = false;

	while (channel_fill(guest) || channel_send(guest) || channel_empty(guest) ||
	    (!guest->ended && channel_receive(guest)))
		any = true;
	/* The server says that it is the end, and then may linger. */
	if (br_ssl_engine_current_state(&guest->channel->client.eng) == BR_SSL_CLOSED)
		guest->ended = true;
	return any;
}

#else

static struct channel *channel_new(void)
{
	return NULL;
}

static bool channel_step(struct guest *guest)
{
	(void)guest;
	return false;
}

#endif

/* -- writing ---------------------------------------------------------------------------- */

struct guest *guest_connect(uint16_t port, bool secure)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct guest *guest = calloc(1, sizeof *guest);

	if (guest == NULL)
		abort();
	guest->fd = socket(AF_INET, SOCK_STREAM, 0);
	if (guest->fd < 0 || connect(guest->fd, (struct sockaddr *)&address, sizeof address) != 0 ||
	    fcntl(guest->fd, F_SETFL, O_NONBLOCK) != 0) {
		perror("guest_connect");
		close(guest->fd);
		free(guest);
		return NULL;
	}
	if (secure)
		guest->channel = channel_new();
	bytes_add(&guest->in, "", 0);
	bytes_add(&guest->out, "", 0);
	bytes_add(&guest->heard, "", 0);
	bytes_add(&guest->told, "", 0);
	return guest;
}

struct guest *guest_open(uint16_t port, bool secure, const char *target, const char *headers)
{
	struct guest *guest = guest_connect(port, secure);
	char request[9000];
	int length = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: localhost\r\n"
	    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
	    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s\r\n", target, headers);

	if (guest != NULL)
		guest_write(guest, request, (size_t)length);
	return guest;
}

void guest_write(struct guest *guest, const void *bytes, size_t length)
{
	if (!guest->websocket && length > 4)
		guest->bodiless = memcmp(bytes, "HEAD", 4) == 0;
	bytes_add(&guest->out, bytes, length);
}

void guest_frame(struct guest *guest, int first, const char *payload, size_t length)
{
	static const uint8_t mask[4] = { 0x12, 0xef, 0x5a, 0x81 };
	uint8_t head[8] = { (uint8_t)first };
	size_t size = 2, i;

	if (length < 126) {
		head[1] = (uint8_t)(128 + length);
	} else {
		head[1] = 128 + 126;
		head[2] = (uint8_t)(length >> 8);
		head[3] = (uint8_t)length;
		size = 4;
	}
	memcpy(head + size, mask, 4);
	bytes_add(&guest->out, head, size + 4);
	for (i = 0; i < length; i++)
		bytes_add(&guest->out, &(char){ (char)(payload[i] ^ mask[i % 4]) }, 1);
}

void guest_say(struct guest *guest, const char *text)
{
	guest_frame(guest, GUEST_TEXT, text, strlen(text));
}

/* -- reading ---------------------------------------------------------------------------- */

static const char *header_value(const char *head, const char *name, char value[static 200])
{
	const char *at = strstr(head, name);

	value[0] = '\0';
	if (at != NULL)
		snprintf(value, 200, "%.*s", (int)strcspn(at + strlen(name), "\r"),
		    at + strlen(name));
	return value;
}

/* Take one whole answer by HTTP. False if there is none. */
static bool take_answer(struct guest *guest)
{
	char type[200], length_text[200];
	const char *end = strstr(guest->in.at, "\r\n\r\n");
	size_t head = end == NULL ? 0 : (size_t)(end - guest->in.at) + 4, body;
	int status;

	if (end == NULL || sscanf(guest->in.at, "HTTP/1.1 %d", &status) != 1)
		return false;
	if (status == 101) {
		guest->websocket = true;
		hear(guest, "101");
		bytes_drop(&guest->in, head);
		return true;
	}
	header_value(guest->in.at, "\nContent-Type: ", type);
	header_value(guest->in.at, "\nContent-Length: ", length_text);
	body = guest->bodiless ? 0 : (size_t)strtoul(length_text, NULL, 10);
	if (guest->in.length < head + body)
		return false;
	if (guest->lengths && body > 0)
		hear(guest, "%d %s %zu bytes, %c to %c", status, type, body, guest->in.at[head],
		    guest->in.at[head + body - 1]);
	else
		hear(guest, "%d %s %.*s", status, type, (int)body, guest->in.at + head);
	bytes_drop(&guest->in, head + body);
	return true;
}

static void hear_frame(struct guest *guest, int opcode, const char *payload, size_t length)
{
	const uint8_t *bytes = (const uint8_t *)payload;

	if (opcode == 1)
		hear(guest, "%.*s", (int)length, payload);
	else if (opcode == 8 && length >= 2)
		hear(guest, "close %d", bytes[0] << 8 | bytes[1]);
	else if (opcode == 8)
		hear(guest, "close");
	else if (opcode == 9)
		hear(guest, "ping");
	else if (opcode == 10)
		hear(guest, "pong %.*s", (int)length, payload);
	else
		hear(guest, "frame %d", opcode);
}

/* Take one whole frame. False if there is none. */
static bool take_frame(struct guest *guest)
{
	const uint8_t *at = (const uint8_t *)guest->in.at;
	size_t head = 2, length;

	if (guest->in.length < 2)
		return false;
	length = at[1];
	if (length == 126) {
		if (guest->in.length < 4)
			return false;
		length = (size_t)(at[2] << 8 | at[3]);
		head = 4;
	}
	if (guest->in.length < head + length)
		return false;
	hear_frame(guest, at[0] & 15, guest->in.at + head, length);
	bytes_drop(&guest->in, head + length);
	return true;
}

static bool plain_step(struct guest *guest)
{
	char buffer[65536];
	ssize_t sent = guest->out.length == 0 ? 0 :
	    send(guest->fd, guest->out.at, guest->out.length, MSG_NOSIGNAL);
	ssize_t got = recv(guest->fd, buffer, sizeof buffer, 0);

	if (sent > 0)
		bytes_drop(&guest->out, (size_t)sent);
	if (got > 0)
		bytes_add(&guest->in, buffer, (size_t)got);
	else if (got == 0 || errno == ECONNRESET)
		guest->ended = true;
	return sent > 0 || got > 0;
}

bool guest_step(struct guest *guest)
{
	bool any;

	if (guest->ended)
		return false;
	any = guest->channel != NULL ? channel_step(guest) : plain_step(guest);
	while (guest->websocket ? take_frame(guest) : take_answer(guest))
		continue;
	if (guest->ended)
		hear(guest, "end");
	return any || guest->ended;
}

const char *guest_heard(struct guest *guest)
{
	guest->told.length = 0;
	bytes_add(&guest->told, guest->heard.at, guest->heard.length);
	bytes_drop(&guest->heard, guest->heard.length);
	return guest->told.at;
}

void guest_hear_lengths(struct guest *guest)
{
	guest->lengths = true;
}

size_t guest_heard_length(const struct guest *guest)
{
	return guest->heard.length;
}

bool guest_ended(const struct guest *guest)
{
	return guest->ended;
}

int guest_descriptor(const struct guest *guest)
{
	return guest->fd;
}

/* -- going ------------------------------------------------------------------------------ */

void guest_finish(struct guest *guest)
{
	shutdown(guest->fd, SHUT_WR);
}

void guest_break(struct guest *guest)
{
	const struct linger linger = { 1, 0 };

	setsockopt(guest->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
	guest_leave(guest);
}

void guest_leave(struct guest *guest)
{
	close(guest->fd);
	free(guest->in.at);
	free(guest->out.at);
	free(guest->heard.at);
	free(guest->told.at);
	free(guest->channel);
	free(guest);
}
