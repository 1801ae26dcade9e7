/* bb_client.c - the client of the black-box tests: raw sockets, WebSocket, HTTP, JSON. */
#include "harness.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define PATIENCE 5.0   /* seconds until something that must come is missing */

/* --- connections --- */

static socklen_t address_make(const struct server *server, int family,
    struct sockaddr_storage *storage)
{
	struct sockaddr_in *inet = (struct sockaddr_in *)storage;
	struct sockaddr_in6 *inet6 = (struct sockaddr_in6 *)storage;
	struct sockaddr_un *local = (struct sockaddr_un *)storage;

	memset(storage, 0, sizeof(*storage));
	storage->ss_family = (sa_family_t)family;
	if (family == AF_INET) {
		inet->sin_port = htons((uint16_t)server->port);
		inet->sin_addr.s_addr = htonl(server->inet != 0 ? server->inet : INADDR_LOOPBACK);
		return sizeof(*inet);
	}
	if (family == AF_INET6) {
		inet6->sin6_port = htons((uint16_t)server->port);
		inet6->sin6_addr.s6_addr[15] = 1;
		return sizeof(*inet6);
	}
	memcpy(local->sun_path, server->path, sizeof(server->path));
	return sizeof(*local);
}

struct client *client_try(struct server *server, int family, int backlog)
{
	struct client *client = calloc(1, sizeof(*client));
	struct sockaddr_storage address;
	socklen_t len = address_make(server, family, &address);
	int on = 1;

	CHECK(client != NULL);
	client->fd = socket(family, SOCK_STREAM, 0);
	CHECK(client->fd >= 0);
	CHECK(fcntl(client->fd, F_SETFD, FD_CLOEXEC) == 0);
	if (backlog != 0)
		CHECK(setsockopt(client->fd, SOL_SOCKET, SO_RCVBUF, &backlog,
		    sizeof(backlog)) == 0);
	if (connect(client->fd, (struct sockaddr *)&address, len) != 0) {
		(void)close(client->fd);
		free(client);
		return NULL;
	}
	if (family != AF_UNIX)
		(void)setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	CHECK(fcntl(client->fd, F_SETFL, O_NONBLOCK) == 0);
	text_add(&client->in, "", 0);
	client->server = server;
	client->next = server->clients;
	server->clients = client;
	if (test_is_tls())
		client_secure(client, "localhost", true);
	return client;
}

struct client *client_connect_by(struct server *server, int family)
{
	struct client *client = client_try(server, family, 0);

	if (client == NULL)
		check_failed(__FILE__, __LINE__, "cannot connect: %s", strerror(errno));
	return client;
}

struct client *client_connect(struct server *server)
{
	return client_connect_by(server, server->family);
}

void client_shake(struct client *client, const char *headers)
{
	struct reply reply;

	client_print(client, "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
	    "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	    "Sec-WebSocket-Version: 13\r\n%s\r\n", headers);
	reply = client_reply(client);
	if (reply.status != 101)
		check_failed(__FILE__, __LINE__, "handshake refused: `%s`",
		    reply.status == 0 ? "end of connection" : reply.head);
}

struct client *client_open_with(struct server *server, const char *headers)
{
	struct client *client = client_connect(server);

	client_shake(client, headers);
	return client;
}

struct client *client_open(struct server *server)
{
	return client_open_with(server, "");
}

void client_close(struct client *client)
{
	if (client->fd < 0)
		return;
	if (client->channel != NULL)
		channel_end(client);
	(void)close(client->fd);
	client->fd = -1;
}

void client_reset(struct client *client)
{
	struct linger linger = { .l_onoff = 1, .l_linger = 0 };

	(void)setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	client_bare(client);
	client_close(client);
}

/* --- bytes out --- */

ssize_t client_push(struct client *client, const void *bytes, size_t len)
{
	ssize_t sent;

	if (client->fd < 0)
		return -1;
	sent = client->channel != NULL ? channel_send(client, bytes, len) :
	    send(client->fd, bytes, len, 0);
	if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
		return 0;
	return sent;
}

void client_write(struct client *client, const void *bytes, size_t len)
{
	struct pollfd ready = { .fd = client->fd, .events = POLLOUT };
	double until = time_now() + PATIENCE;
	const char *at = bytes;
	ssize_t sent;

	while (len != 0 || (client->channel != NULL && channel_waits(client))) {
		sent = len == 0 ? 0 : client_push(client, at, len);
		if (sent < 0)
			return;
		at += sent;
		len -= (size_t)sent;
		if (sent == 0)
			(void)poll(&ready, 1, 100);
		if (sent == 0 && time_now() >= until)
			check_failed(__FILE__, __LINE__, "the server reads nothing any more");
	}
}

void client_print(struct client *client, const char *format, ...)
{
	char *bytes;
	va_list list;
	int len;

	va_start(list, format);
	len = vsnprintf(NULL, 0, format, list);
	va_end(list);
	CHECK(len >= 0);
	bytes = malloc((size_t)len + 1);
	CHECK(bytes != NULL);
	va_start(list, format);
	(void)vsnprintf(bytes, (size_t)len + 1, format, list);
	va_end(list);
	client_write(client, bytes, (size_t)len);
	free(bytes);
}

void frame_add_long(struct text *text, unsigned first, const void *payload, uint64_t len, int bits)
{
	unsigned char head[14] = { (unsigned char)first };
	unsigned char *at = head + 2, mask[4];
	const unsigned char *bytes = payload;
	uint32_t random = random_number();
	char masked;
	size_t i;

	head[1] = (unsigned char)(0x80u | (bits == 7 ? (unsigned)len : bits == 16 ? 126u : 127u));
	for (i = bits == 7 ? 0 : (size_t)bits / 8; i != 0; i--)
		*at++ = (unsigned char)(len >> (8 * (i - 1)));
	for (i = 0; i < 4; i++)
		*at++ = mask[i] = (unsigned char)(random >> (8 * i));
	text_add(text, head, (size_t)(at - head));
	for (i = 0; payload != NULL && i < len; i++) {
		masked = (char)(bytes[i] ^ mask[i % 4]);
		text_add(text, &masked, 1);
	}
}

void frame_add(struct text *text, unsigned first, const void *payload, size_t len)
{
	frame_add_long(text, first, payload, len, len < 126 ? 7 : len < 65536 ? 16 : 64);
}

void client_frame(struct client *client, unsigned first, const void *payload, size_t len)
{
	struct text text = { NULL, 0, 0 };

	frame_add(&text, first, payload, len);
	if ((first & 0x0f) == CLOSE)
		client->closing = true;
	client_write(client, text.bytes, text.len);
	free(text.bytes);
}

void client_say_text(struct client *client, const char *text)
{
	client_frame(client, FIN | TEXT, text, strlen(text));
}

/* As format_text, but for a list. */
static FORMAT(1, 0) char *format_list(const char *format, va_list list)
{
	char *quoted = text_quoted(format), *text;
	va_list again;
	int len;

	va_copy(again, list);
	len = vsnprintf(NULL, 0, quoted, again);
	va_end(again);
	CHECK(len >= 0);
	text = malloc((size_t)len + 1);
	CHECK(text != NULL);
	(void)vsnprintf(text, (size_t)len + 1, quoted, list);
	free(quoted);
	return text;
}

void client_say(struct client *client, const char *format, ...)
{
	char *message;
	va_list list;

	va_start(list, format);
	message = format_list(format, list);
	va_end(list);
	client_say_text(client, message);
	free(message);
}

/* --- bytes in --- */

/* Receive something until that moment; false when nothing came or the connection has ended. */
static bool client_fill(struct client *client, double until)
{
	struct pollfd ready = { .fd = client->fd, .events = POLLIN };
	char bytes[65536];
	double left;
	ssize_t got;

	if (client->ended || client->fd < 0)
		return false;
	if (client->taken == client->in.len) {
		client->taken = client->in.len = 0;
		client->in.bytes[0] = '\0';
	}
	for (;;) {
		got = client->channel != NULL ?
		    channel_receive(client, bytes, sizeof(bytes)) :
		    recv(client->fd, bytes, sizeof(bytes), 0);
		if (got > 0) {
			text_add(&client->in, bytes, (size_t)got);
			return true;
		}
		if (got == 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)) {
			client->ended = true;
			return false;
		}
		left = until - time_now();
		if (left <= 0)
			return false;
		(void)poll(&ready, 1, (int)(left * 1000) + 1);
	}
}

bool client_ends(struct client *client, double seconds)
{
	double until = time_now() + seconds;

	while (client_fill(client, until))
		client->taken = client->in.len;
	return client->ended;
}

/*
 * Cut the next whole frame out of what has come; false: not whole yet. A server's frame
 * has no mask and no reserved bit, is not fragmented, and has its length in the shortest form.
 */
static bool frame_cut(struct client *client, struct frame *frame)
{
	const unsigned char *at = (const unsigned char *)client->in.bytes + client->taken;
	size_t have = client->in.len - client->taken, head = 2, i;
	uint64_t len;

	if (have < 2)
		return false;
	CHECK((at[0] & 0xf0) == FIN);
	CHECK((at[1] & 0x80) == 0);
	len = at[1];
	if (len >= 126)
		head = len == 126 ? 4 : 10;
	if (have < head)
		return false;
	for (len = head == 2 ? len : 0, i = 2; i < head; i++)
		len = len << 8 | at[i];
	CHECK(head == 2 || len >= (head == 4 ? 126 : 65536));
	if (have - head < len)
		return false;
	frame->opcode = at[0] & 0x0f;
	frame->len = (size_t)len;
	frame->payload = malloc(frame->len + 1);
	CHECK(frame->payload != NULL);
	memcpy(frame->payload, at + head, frame->len);
	frame->payload[frame->len] = '\0';
	client->taken += head + frame->len;
	return true;
}

enum next client_next(struct client *client, struct frame *frame, double seconds)
{
	double until = time_now() + seconds;

	for (;;) {
		while (frame_cut(client, frame)) {
			if (frame->opcode != PING)
				return NEXT_FRAME;
			CHECK(frame->len <= 125);
			client->pings++;
			client->pinged = time_now();
			if (!client->mute)
				client_frame(client, FIN | PONG, frame->payload, frame->len);
		}
		if (!client_fill(client, until))
			return client->ended ? NEXT_END : NEXT_NOTHING;
	}
}

static void frame_wanted(const char *file, int line, struct client *client, struct frame *frame,
    const char *what)
{
	enum next next = client_next(client, frame, PATIENCE);

	if (next != NEXT_FRAME)
		check_failed(file, line, "want %s, got %s", what,
		    next == NEXT_END ? "the end of the connection" : "nothing");
}

static _Noreturn void frame_unwanted(const char *file, int line, const struct frame *frame,
    const char *what)
{
	unsigned code = 0;

	if (frame->opcode == CLOSE && frame->len >= 2)
		code = (unsigned)(unsigned char)frame->payload[0] << 8 |
		    (unsigned char)frame->payload[1];
	check_failed(file, line, "want %s, got opcode %d (close code %u):\n    %s", what,
	    frame->opcode, code, text_shown(frame->payload, frame->len));
}

char *client_hear(const char *file, int line, struct client *client)
{
	struct frame frame;

	frame_wanted(file, line, client, &frame, "a message");
	if (frame.opcode != TEXT)
		frame_unwanted(file, line, &frame, "a message");
	if (!utf8_valid(frame.payload, frame.len))
		frame_unwanted(file, line, &frame, "UTF-8");
	if (!json_valid(frame.payload, frame.len))
		frame_unwanted(file, line, &frame, "JSON");
	return frame.payload;
}

void client_expect(const char *file, int line, struct client *client, const char *format, ...)
{
	char *want, *got = client_hear(file, line, client);
	va_list list;

	va_start(list, format);
	want = format_list(format, list);
	va_end(list);
	check_text(file, line, "message", got, want);
	free(got);
	free(want);
}

char **client_messages(const char *file, int line, struct client *client)
{
	char **messages = NULL, payload[16];
	struct frame frame;
	size_t count = 0;
	int pongs = 0;

	while (pongs < 2) {
		(void)snprintf(payload, sizeof(payload), "%08x", (unsigned)random_number());
		client_frame(client, FIN | PING, payload, 8);
		for (;;) {
			messages = realloc(messages, (count + 1) * sizeof(*messages));
			CHECK(messages != NULL);
			frame_wanted(file, line, client, &frame, "a pong");
			if (frame.opcode != TEXT)
				break;
			messages[count++] = frame.payload;
		}
		if (frame.opcode != PONG || strcmp(frame.payload, payload) != 0)
			frame_unwanted(file, line, &frame, "a pong");
		free(frame.payload);
		pongs++;
	}
	messages[count] = NULL;
	return messages;
}

void client_silent(const char *file, int line, struct client *client)
{
	char **messages = client_messages(file, line, client);

	if (messages[0] != NULL)
		check_failed(file, line, "want nothing but a pong, got %s",
		    text_shown(messages[0], strlen(messages[0])));
	free(messages);
}

void client_closed(const char *file, int line, struct client *client, int code)
{
	struct frame frame;
	int got = 0;

	frame_wanted(file, line, client, &frame, "a close frame");
	if (frame.opcode != CLOSE || frame.len == 1 || frame.len > 125)
		frame_unwanted(file, line, &frame, "a close frame");
	if (frame.len >= 2)
		got = (unsigned char)frame.payload[0] << 8 | (unsigned char)frame.payload[1];
	check_number(file, line, "close code", got, code);
	if (frame.len > 2 && !utf8_valid(frame.payload + 2, frame.len - 2))
		frame_unwanted(file, line, &frame, "a reason in UTF-8");
	if (!client->closing)
		client_frame(client, FIN | CLOSE, frame.payload, frame.len < 2 ? 0 : 2);
	if (client_next(client, &frame, PATIENCE) != NEXT_END)
		check_failed(file, line, "the connection does not end after its close frame");
	if (client->channel != NULL && !client_is_notified(client))
		check_failed(file, line, "the connection ends without close_notify");
}

/* --- the tracker's messages --- */

void client_announce(struct client *client, struct id hash, struct id id, const char *extra)
{
	char *more = text_quoted(extra);

	client_say(client, "{'action':'announce','info_hash':'%s','peer_id':'%s'%s}", hash.text,
	    id.text, more);
	free(more);
}

void client_join(const char *file, int line, struct client *client, struct id hash, struct id id,
    const char *extra)
{
	char *message;

	client_announce(client, hash, id, extra);
	message = client_hear(file, line, client);
	check_contains(file, line, "reply", message, "\"interval\":");
	check_contains(file, line, "reply", message, hash.text);
	free(message);
}

char *offers_made(int count)
{
	struct text text = { NULL, 0, 0 };
	int i;

	text_format(&text, ",'offers':[");
	for (i = 0; i < count; i++)
		text_format(&text, "%s{'offer':{'type':'offer','sdp':'sdp %d'},"
		    "'offer_id':'offer %d'}", i == 0 ? "" : ",", i, i);
	text_add(&text, "]", 1);
	return text.bytes;
}

char *answer_made(struct id to)
{
	return format_text(",'to_peer_id':'%s','offer_id':'offer 0',"
	    "'answer':{'type':'answer','sdp':'reply'}", to.text);
}

/* --- HTTP --- */

/* Take a head; false when the connection ends first. */
static bool reply_head(struct client *client, struct reply *reply)
{
	double until = time_now() + PATIENCE;
	char *start, *end;

	for (;;) {
		start = client->in.bytes + client->taken;
		end = strstr(start, "\r\n\r\n");
		if (end != NULL)
			break;
		if (!client_fill(client, until)) {
			if (client->ended)
				return false;
			check_failed(__FILE__, __LINE__, "no HTTP reply");
		}
	}
	end += 2;
	reply->head = format_text("%.*s", (int)(end - start), start);
	client->taken += (size_t)(end - start) + 2;
	CHECK(strncmp(reply->head, "HTTP/1.", 7) == 0);
	reply->status = atoi(reply->head + 9);
	return true;
}

static void reply_body(struct client *client, struct reply *reply)
{
	char *length = reply_header(reply, "Content-Length");
	double until = time_now() + PATIENCE;
	size_t want = length == NULL ? (size_t)-1 : (size_t)strtoul(length, NULL, 10);

	while (client->in.len - client->taken < want)
		if (!client_fill(client, until))
			break;
	reply->len = client->in.len - client->taken;
	if (length != NULL) {
		if (reply->len < want)
			check_failed(__FILE__, __LINE__, "%zu bytes of body instead of %zu:\n%s",
			    reply->len, want, reply->head);
		reply->len = want;
	}
	reply->body = malloc(reply->len + 1);
	CHECK(reply->body != NULL);
	memcpy(reply->body, client->in.bytes + client->taken, reply->len);
	reply->body[reply->len] = '\0';
	client->taken += reply->len;
}

struct reply client_reply_head(struct client *client)
{
	struct reply reply = { 0, "", "", 0 };

	(void)reply_head(client, &reply);
	return reply;
}

struct reply client_reply(struct client *client)
{
	struct reply reply = client_reply_head(client);

	if (reply.status != 0 && reply.status != 101)
		reply_body(client, &reply);
	return reply;
}

struct reply http_ask(struct server *server, const char *request)
{
	struct client *client = client_connect(server);
	struct reply reply;

	client_write(client, request, strlen(request));
	reply = client_reply(client);
	client_close(client);
	return reply;
}

struct reply http_get(struct server *server, const char *path, const char *headers)
{
	return http_ask(server, format_text("GET %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n", path,
	    headers));
}

char *reply_header(const struct reply *reply, const char *name)
{
	const char *line = reply->head, *end, *value;
	size_t len = strlen(name);

	while ((line = strstr(line, "\r\n")) != NULL) {
		line += 2;
		if (strncasecmp(line, name, len) != 0 || line[len] != ':')
			continue;
		value = line + len + 1;
		while (*value == ' ')
			value++;
		end = strstr(value, "\r\n");
		return format_text("%.*s", (int)(end - value), value);
	}
	return NULL;
}

bool reply_says(const struct reply *reply, const char *name, const char *value)
{
	char *said = reply_header(reply, name);

	return said != NULL && strcasecmp(said, value) == 0;
}

/* --- UTF-8 and JSON --- */

bool utf8_valid(const char *text, size_t len)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const unsigned char *at = (const unsigned char *)text, *end = at + len;
	uint32_t point;
	size_t size, i;

	for (; at < end; at += size) {
		size = *at < 0x80 ? 1 : *at >> 5 == 6 ? 2 : *at >> 4 == 14 ? 3 :
		    *at >> 3 == 30 ? 4 : 0;
		if (size == 0 || (size_t)(end - at) < size)
			return false;
		point = size == 1 ? *at : *at & (0x7fu >> size);
		for (i = 1; i < size; i++) {
			if (at[i] >> 6 != 2)
				return false;
			point = point << 6 | (at[i] & 0x3f);
		}
		if (point < least[size] || point > 0x10ffff || (point >= 0xd800 && point < 0xe000))
			return false;
	}
	return true;
}

struct scan {
	const char *at, *end;
};

static bool scan_value(struct scan *scan, int depth);

static void scan_blank(struct scan *scan)
{
	while (scan->at < scan->end && memchr(" \t\r\n", *scan->at, 4) != NULL)
		scan->at++;
}

static bool scan_char(struct scan *scan, char want)
{
	scan_blank(scan);
	if (scan->at >= scan->end || *scan->at != want)
		return false;
	scan->at++;
	return true;
}

static bool scan_string(struct scan *scan)
{
	if (!scan_char(scan, '"'))
		return false;
	for (; scan->at < scan->end && *scan->at != '"'; scan->at++) {
		if ((unsigned char)*scan->at < 0x20)
			return false;
		if (*scan->at != '\\')
			continue;
		scan->at++;
		if (scan->at >= scan->end || memchr("\"\\/bfnrtu", *scan->at, 9) == NULL)
			return false;
	}
	return scan_char(scan, '"');
}

static bool scan_list(struct scan *scan, char close, bool named, int depth)
{
	scan->at++;
	if (scan_char(scan, close))
		return true;
	do {
		if (named && (!scan_string(scan) || !scan_char(scan, ':')))
			return false;
		if (!scan_value(scan, depth + 1))
			return false;
	} while (scan_char(scan, ','));
	return scan_char(scan, close);
}

static bool scan_value(struct scan *scan, int depth)
{
	static const char *const words[] = { "true", "false", "null" };
	const char *start;
	size_t i;

	scan_blank(scan);
	if (scan->at >= scan->end || depth > 64)
		return false;
	if (*scan->at == '{' || *scan->at == '[')
		return scan_list(scan, *scan->at == '{' ? '}' : ']', *scan->at == '{', depth);
	if (*scan->at == '"')
		return scan_string(scan);
	for (i = 0; i < 3; i++)
		if ((size_t)(scan->end - scan->at) >= strlen(words[i]) &&
		    strncmp(scan->at, words[i], strlen(words[i])) == 0) {
			scan->at += strlen(words[i]);
			return true;
		}
	start = scan->at;
	while (scan->at < scan->end && strchr("0123456789+-.eE", *scan->at) != NULL &&
	    *scan->at != '\0')
		scan->at++;
	return scan->at > start;
}

bool json_valid(const char *text, size_t len)
{
	struct scan scan = { text, text + len };

	if (!scan_value(&scan, 0))
		return false;
	scan_blank(&scan);
	return scan.at == scan.end;
}

char *json_compact(const char *text)
{
	char *out = malloc(strlen(text) + 1), *at = out;
	bool string = false;

	CHECK(out != NULL);
	for (; *text != '\0'; text++) {
		if (!string && strchr(" \t\r\n", *text) != NULL)
			continue;
		*at++ = *text;
		if (*text == '"')
			string = !string;
		else if (string && *text == '\\' && text[1] != '\0')
			*at++ = *++text;
	}
	*at = '\0';
	return out;
}

static const char *json_find(const char *text, const char *key)
{
	char *name = format_text("'%s'", key);
	const char *at = text;

	while ((at = strstr(at, name)) != NULL) {
		at += strlen(name);
		at += strspn(at, " \t\r\n");
		if (*at == ':')
			break;
	}
	free(name);
	if (at == NULL)
		return NULL;
	at++;
	return at + strspn(at, " \t\r\n");
}

long json_number(const char *text, const char *key)
{
	const char *at = json_find(text, key);

	return at == NULL || strchr("-0123456789", *at) == NULL ? -1 : strtol(at, NULL, 10);
}

/* One escaped code point at *at, which is moved past it. */
static unsigned escape_decode(const char **at)
{
	static const char letters[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
	char digits[5] = { 0 };
	const char *letter;

	if (**at == 'u') {
		memcpy(digits, *at + 1, 4);
		*at += 5;
		return (unsigned)strtoul(digits, NULL, 16);
	}
	letter = strchr(letters, **at);
	CHECK(letter != NULL && *letter != '\0');
	(*at)++;
	return (unsigned char)meant[letter - letters];
}

long json_bytes(const char *text, const char *key, uint8_t bytes[static 64])
{
	const char *at = json_find(text, key);
	unsigned point;
	long len = 0;

	if (at == NULL || *at != '"')
		return -1;
	for (at++; *at != '"' && len < 64; len++) {
		point = (unsigned char)*at++;
		if (point == '\\') {
			point = escape_decode(&at);
		} else if (point >= 0x80) {
			CHECK(point == 0xc2 || point == 0xc3);
			point = (point & 3u) << 6 | ((unsigned char)*at++ & 0x3fu);
		}
		CHECK(point < 0x100);
		bytes[len] = (uint8_t)point;
	}
	return len;
}
