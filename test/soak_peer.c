/* soak_peer.c - one connection of the load; see soak.h */
#include "soak.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define PEERS_PER_ADDRESS 16
#define SMALL_BUFFER 4096       /* bytes that a deaf peer receives unread */
#define CHUNK 65536

/* --- what goes --- */

static void peer_interest(struct peer *peer, int operation)
{
	struct epoll_event event = { .data.ptr = peer };

	event.events = (peer->deaf ? 0u : EPOLLIN) | (peer->writes ? EPOLLOUT : 0u);
	CHECK(epoll_ctl(peer->load->epoll, operation, peer->fd, &event) == 0);
}

static void peer_flush(struct peer *peer)
{
	ssize_t sent = 0;
	bool writes;

	if (peer->out.len > 0)
		sent = send(peer->fd, peer->out.bytes, peer->out.len, MSG_NOSIGNAL);
	/* What is broken shows by an event. */
	if (sent < 0 && errno != EAGAIN)
		peer->out.len = 0;
	if (sent > 0) {
		memmove(peer->out.bytes, peer->out.bytes + sent, peer->out.len - (size_t)sent);
		peer->out.len -= (size_t)sent;
	}
	writes = peer->out.len > 0;
	if (writes != peer->writes) {
		peer->writes = writes;
		peer_interest(peer, EPOLL_CTL_MOD);
	}
}

void peer_write_raw(struct peer *peer, const void *bytes, size_t len)
{
	if (peer->state == PEER_CLOSED)
		return;
	text_add(&peer->out, bytes, len);
	peer_flush(peer);
}

void peer_write(struct peer *peer, const void *bytes, size_t len)
{
	if (peer->state == PEER_CLOSED)
		return;
	if (peer->secure)
		channel_output(peer->channel, bytes, len);
	else
		peer_write_raw(peer, bytes, len);
}

void peer_frame(struct peer *peer, unsigned first, const void *payload, size_t len)
{
	struct text text = { NULL, 0, 0 };

	frame_add(&text, first, payload, len);
	peer_write(peer, text.bytes, text.len);
	free(text.bytes);
}

void peer_say_text(struct peer *peer, char *text)
{
	peer_frame(peer, FIN | TEXT, text, strlen(text));
	free(text);
}

/* --- what comes --- */

/* Count the statuses of HTTP that begin in these bytes. */
static void count_statuses(struct load *load, const char *bytes, size_t len)
{
	static const char start[] = "HTTP/1.1 ";
	const char *at = bytes;

	while ((at = memchr(at, 'H', len - (size_t)(at - bytes))) != NULL) {
		if (len - (size_t)(at - bytes) >= sizeof(start) + 2 &&
		    memcmp(at, start, sizeof(start) - 1) == 0 && at[sizeof(start) - 1] < 'A')
			tally(load, at, sizeof(start) + 2);
		at++;
	}
}

/* Count why something was refused. */
static void count_failure(struct load *load, const char *message)
{
	static const char key[] = "\"failure reason\":\"";
	const char *reason = strstr(message, key);

	if (reason == NULL)
		return;
	reason += sizeof(key) - 1;
	tally(load, reason, strcspn(reason, ":\""));
}

static void close_came(struct peer *peer, const char *payload, size_t len)
{
	const unsigned char *code = (const unsigned char *)payload;
	char name[NAME_SIZE] = "closed without a code";

	if (len >= 2)
		(void)snprintf(name, sizeof(name), "closed with %d", code[0] << 8 | code[1]);
	tally(peer->load, name, strlen(name));
	if (!peer->leaving)
		peer_frame(peer, FIN | CLOSE, payload, len < 2 ? 0 : 2);
	peer->leaving = true;
}

static void frame_came(struct peer *peer, int opcode, char *payload, size_t len)
{
	char after = payload[len];

	payload[len] = '\0';
	if (opcode == CLOSE) {
		close_came(peer, payload, len);
	} else if (opcode == PING && !peer->mute) {
		peer_frame(peer, FIN | PONG, payload, len);
	} else if (opcode == TEXT) {
		count_failure(peer->load, payload);
		if (peer->kind->heard != NULL && !peer->leaving && !peer->mute)
			peer->kind->heard(peer, payload, len);
	}
	payload[len] = after;
}

/* How long is the frame at bytes, and where is its payload? False if that is not told yet. A
 * server masks nothing. */
static bool frame_measure(const unsigned char *bytes, size_t have, size_t *head, size_t *len)
{
	size_t i;

	*head = have < 2 || bytes[1] < 126 ? 2 : bytes[1] == 126 ? 4 : 10;
	if (have < *head)
		return false;
	CHECK(bytes[0] >> 4 == 8 && bytes[1] < 128);
	*len = *head == 2 ? bytes[1] : 0;
	for (i = 2; i < *head; i++)
		*len = *len << 8 | bytes[i];
	return have >= *head + *len;
}

static void frames_take(struct peer *peer)
{
	size_t used = 0, head, len;

	while (peer->state == PEER_OPEN && frame_measure((unsigned char *)peer->in.bytes + used,
	    peer->in.len - used, &head, &len)) {
		frame_came(peer, peer->in.bytes[used] & 15, peer->in.bytes + used + head, len);
		used += head + len;
	}
	memmove(peer->in.bytes, peer->in.bytes + used, peer->in.len - used);
	peer->in.len -= used;
}

void peer_act(struct peer *peer)
{
	if (peer->kind->act == NULL || peer->leaving || peer->mute || peer->out.len > OUT_MAX)
		return;
	peer->kind->act(peer);
	peer->acts++;
}

/* Has the whole response to the upgrade come? */
static void upgrade_take(struct peer *peer)
{
	const char *end = strstr(peer->in.bytes, "\r\n\r\n");
	size_t used;

	if (end == NULL)
		return;
	count_statuses(peer->load, peer->in.bytes, peer->in.len);
	peer->state = PEER_OPEN;
	if (strncmp(peer->in.bytes, "HTTP/1.1 101 ", 13) != 0) {
		peer->leaving = true;
		return;
	}
	peer->websocket = true;
	used = (size_t)(end - peer->in.bytes) + 4;
	memmove(peer->in.bytes, peer->in.bytes + used, peer->in.len - used);
	peer->in.len -= used;
	peer_act(peer);
	frames_take(peer);
}

static void peer_input(void *context, const uint8_t *bytes, size_t len)
{
	struct peer *peer = context;

	if (peer->state == PEER_UPGRADING || (peer->state == PEER_OPEN && peer->websocket)) {
		text_add(&peer->in, bytes, len);
		if (peer->state == PEER_UPGRADING)
			upgrade_take(peer);
		else
			frames_take(peer);
	} else if (peer->state == PEER_OPEN && peer->kind->opening != HELLO) {
		count_statuses(peer->load, (const char *)bytes, len);
	}
}

/* --- coming and going --- */

static void hello_keep(void *context, const uint8_t *bytes, size_t len)
{
	text_add(&((struct peer *)context)->hello, bytes, len);
}

static void records_send(void *context, const uint8_t *bytes, size_t len)
{
	peer_write_raw(context, bytes, len);
}

static void channel_begin(struct peer *peer)
{
	struct load *load = peer->load;
	const struct channel_ends ends = { peer,
		peer->kind->opening == HELLO ? hello_keep : records_send, peer_input };

	if (peer->channel == NULL)
		peer->channel = channel_new();
	peer->hello.len = 0;
	channel_start(peer->channel, &ends,
	    load->has_session && chance(load, 2) == 0 ? &load->session : NULL);
}

static void upgrade_send(struct peer *peer)
{
	char request[400];

	(void)snprintf(request, sizeof(request), "GET /%u HTTP/1.1\r\nHost: localhost\r\n"
	    "Upgrade: websocket\r\nConnection: Upgrade\r\nX-Forwarded-For: 10.%u.%u.%u\r\n"
	    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
	    peer->number, peer->number >> 12 & 255, peer->number >> 4 & 255, peer->number & 15);
	peer->state = PEER_UPGRADING;
	peer_write(peer, request, strlen(request));
}

static void peer_begin(struct peer *peer)
{
	peer->state = PEER_OPEN;
	if (peer->kind->opening == WEBSOCKET)
		upgrade_send(peer);
	else
		peer_act(peer);
}

static void peer_connected(struct peer *peer)
{
	peer->writes = false;
	peer_interest(peer, EPOLL_CTL_MOD);
	if (peer->kind->opening == HELLO)
		channel_begin(peer);
	if (peer->secure) {
		peer->state = PEER_SECURING;
		channel_begin(peer);
	} else {
		peer_begin(peer);
	}
}

/* Some stand behind a proxy, which the server believes; some come by IPv6. */
static int peer_socket(const struct peer *peer)
{
	struct sockaddr_in near = { .sin_family = AF_INET }, far = { .sin_family = AF_INET };
	struct sockaddr_in6 far6 = { .sin6_family = AF_INET6 };
	unsigned network = peer->number % 8 == 7 ? 0x7f020000 : 0x7f010000;
	bool six = peer->kind->from == 0 && peer->number % 128 == 0 && machine_has_ipv6();
	int fd = socket(six ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	int on = 1, small = SMALL_BUFFER;

	CHECK(fd >= 0);
	near.sin_addr.s_addr = htonl(peer->kind->from != 0 ? peer->kind->from :
	    network + 1 + peer->number / PEERS_PER_ADDRESS);
	far.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	far6.sin6_addr.s6_addr[15] = 1;
	far.sin_port = far6.sin6_port = htons((uint16_t)peer->load->server->port);
	CHECK(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0);
	if (peer->kind->small)
		CHECK(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)) == 0);
	if (!six) {
		CHECK(setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on)) == 0);
		CHECK(bind(fd, (struct sockaddr *)&near, sizeof(near)) == 0);
	}
	if (connect(fd, six ? (struct sockaddr *)&far6 : (struct sockaddr *)&far,
	    six ? sizeof(far6) : sizeof(far)) != 0 && errno != EINPROGRESS)
		check_failed(__FILE__, __LINE__, "connect: %s", strerror(errno));
	return fd;
}

void peer_open(struct peer *peer, const struct kind *kind, bool secure)
{
	CHECK(peer->state == PEER_CLOSED);
	peer->kind = kind;
	peer->secure = secure;
	peer->websocket = peer->mute = peer->leaving = false;
	peer->in.len = peer->out.len = 0;
	peer->pokes = peer->acts = 0;
	peer->fd = peer_socket(peer);
	peer->state = PEER_CONNECTING;
	peer->writes = true;
	peer_interest(peer, EPOLL_CTL_ADD);
	peer->load->open++;
}

/* Large texts are not kept for whoever comes next. */
static void text_drop(struct text *text)
{
	if (text->room > CHUNK) {
		free(text->bytes);
		*text = (struct text) { NULL, 0, 0 };
	}
	text->len = 0;
}

void peer_close(struct peer *peer)
{
	if (peer->state == PEER_CLOSED)
		return;
	(void)close(peer->fd);
	peer->state = PEER_CLOSED;
	peer->deaf = false;
	peer->load->open--;
	text_drop(&peer->out);
}

void peer_reset(struct peer *peer)
{
	struct linger linger = { 1, 0 };

	if (peer->state != PEER_CLOSED)
		(void)setsockopt(peer->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	peer_close(peer);
}

void peer_turn_deaf(struct peer *peer)
{
	peer->deaf = true;
	peer_interest(peer, EPOLL_CTL_MOD);
}

static void peer_ended(struct peer *peer)
{
	static const char *const names[] = {
		[PEER_CONNECTING] = "ended while it connected",
		[PEER_SECURING] = "ended in its handshake",
		[PEER_UPGRADING] = "ended in its upgrade", [PEER_OPEN] = "ended"
	};
	const char *name = peer->deaf ? "ended unread" : names[peer->state];

	tally(peer->load, name, strlen(name));
	peer_close(peer);
	if (peer->kind->lost != NULL)
		peer->kind->lost(peer);
}

static void peer_secured(struct peer *peer)
{
	struct load *load = peer->load;
	br_ssl_session_parameters session;
	const char *name = channel_session(peer->channel, &session) ? "session resumed" :
	    "session begun";

	tally(load, name, strlen(name));
	load->session = session;
	load->has_session = true;
	peer_begin(peer);
}

static void peer_readable(struct peer *peer)
{
	static uint8_t bytes[CHUNK];
	ssize_t got = recv(peer->fd, bytes, sizeof(bytes), 0);
	bool alive = true;

	if (got < 0 && errno == EAGAIN)
		return;
	if (got > 0 && peer->secure && peer->state != PEER_CONNECTING)
		alive = channel_input(peer->channel, bytes, (size_t)got);
	else if (got > 0)
		peer_input(peer, bytes, (size_t)got);
	if (peer->state == PEER_SECURING && alive && got > 0 && channel_is_ready(peer->channel))
		peer_secured(peer);
	if (peer->state != PEER_CLOSED && (got <= 0 || !alive))
		peer_ended(peer);
}

void peer_event(struct peer *peer, unsigned events)
{
	if (peer->state == PEER_CLOSED)
		return;
	if (events & (EPOLLERR | EPOLLHUP) && (!(events & EPOLLIN) || peer->deaf)) {
		peer_ended(peer);
		return;
	}
	if (events & EPOLLOUT && peer->state == PEER_CONNECTING)
		peer_connected(peer);
	else if (events & EPOLLOUT)
		peer_flush(peer);
	if (events & EPOLLIN && peer->state != PEER_CLOSED && !peer->deaf)
		peer_readable(peer);
}
