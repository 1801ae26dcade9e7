/*
 * load.c - puts a tracker under load and reads what that costs it.
 *
 *   load [-n peers] [-s swarms] [-r rounds] [-o offers] [-b bytes] [-i] PORT PID
 *
 * Opens `peers` WebSockets to 127.0.0.1:PORT, each announcing one peer in one of `swarms` torrents
 * in turn. With -i that is all: it reports the resident memory of process PID before and after.
 * Otherwise every peer announces `rounds` times more, with `offers` offers of `bytes` bytes of SDP
 * each, and it reports the CPU time that PID took per announce and per message it sent. A round
 * ends when all its replies and relays have come.
 *
 * One line of JSON. Linux only: it reads /proc.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MESSAGE_MAX 65536
#define SILENCE_MAX 10000       /* ms without any message: then some were lost */

/* The frames that come to one peer; only their heads are looked at. */
struct peer {
	int fd;
	uint8_t head[4];        /* of a frame: of a server's, never masked, shorter than 64 KB */
	unsigned have;          /* bytes of it */
	uint32_t left;          /* bytes of payload that are still to come */
};

struct load {
	unsigned peers, swarms, rounds, offers, bytes;
	bool idle;
	unsigned port;
	long pid;
	struct peer *peer;
	struct pollfd *polled;
	uint64_t messages;      /* that came */
	/* the announce being made, with room for a frame's head before it */
	char *message;
};

static void die(const char *what)
{
	fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* -- the process that is measured ----------------------------------------------------- */

/* A line `name: N kB` of /proc/PID/status, in bytes. */
static double status_bytes(long pid, const char *name)
{
	char path[64], line[256];
	double bytes = -1;
	FILE *file;

	snprintf(path, sizeof path, "/proc/%ld/status", pid);
	file = fopen(path, "r");
	if (file == NULL)
		die(path);
	while (fgets(line, sizeof line, file) != NULL) {
		if (strncmp(line, name, strlen(name)) == 0 && line[strlen(name)] == ':')
			bytes = strtod(line + strlen(name) + 1, NULL) * 1024;
	}
	fclose(file);
	return bytes;
}

/* Microseconds of CPU that the process's threads have taken. */
static double cpu_time(long pid)
{
	char path[64], line[1024], *after;
	unsigned long user = 0, kernel = 0;
	FILE *file;

	snprintf(path, sizeof path, "/proc/%ld/stat", pid);
	file = fopen(path, "r");
	if (file == NULL || fgets(line, sizeof line, file) == NULL)
		die(path);
	fclose(file);
	after = strrchr(line, ')');
	if (after == NULL || sscanf(after + 1,
	    " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
	    &user, &kernel) != 2)
		die(path);
	return (double)(user + kernel) * 1e6 / (double)sysconf(_SC_CLK_TCK);
}

static double wall_time(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

/* -- peers ------------------------------------------------------------------------------ */

static void send_all(int fd, const char *data, size_t length)
{
	while (length > 0) {
		ssize_t sent = send(fd, data, length, MSG_NOSIGNAL);

		if (sent < 0 && errno != EINTR)
			die("send");
		if (sent > 0) {
			data += sent;
			length -= (size_t)sent;
		}
	}
}

static void peer_open(struct load *load, struct peer *peer)
{
	static const char request[] = "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
	    "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	    "Sec-WebSocket-Version: 13\r\n\r\n";
	struct sockaddr_in address = { .sin_family = AF_INET };
	char answer[1024];
	size_t have = 0;
	int on = 1;

	address.sin_port = htons((uint16_t)load->port);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	*peer = (struct peer){ .fd = socket(AF_INET, SOCK_STREAM, 0) };
	if (peer->fd < 0 || connect(peer->fd, (struct sockaddr *)&address, sizeof address) != 0)
		die("connect");
	setsockopt(peer->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	send_all(peer->fd, request, sizeof request - 1);
	/* The server says nothing more before it is asked, so nothing after the head is lost. */
	while (have < 4 || memcmp(answer + have - 4, "\r\n\r\n", 4) != 0) {
		ssize_t got = recv(peer->fd, answer + have, sizeof answer - have, 0);

		if (got <= 0)
			die("handshake");
		have += (size_t)got;
	}
	if (strncmp(answer, "HTTP/1.1 101", 12) != 0)
		die("handshake refused");
}

/* Count the frames that end within these bytes. */
static unsigned peer_frames(struct peer *peer, const uint8_t *data, size_t length)
{
	unsigned frames = 0;

	while (length > 0) {
		if (peer->left > 0) {
			uint32_t part = length < peer->left ? (uint32_t)length : peer->left;

			peer->left -= part;
			data += part;
			length -= part;
			frames += peer->left == 0;
			continue;
		}
		peer->head[peer->have++] = *data++;
		length--;
		if (peer->have >= 2 && peer->head[1] < 126) {
			peer->left = peer->head[1];
			peer->have = 0;
			frames += peer->left == 0;
		} else if (peer->have == 4) {
			peer->left = (uint32_t)peer->head[2] << 8 | peer->head[3];
			peer->have = 0;
		}
	}
	return frames;
}

static void announce(struct load *load, unsigned number, unsigned offers)
{
	char *text = load->message + 16;
	size_t length, head;
	unsigned i;

	length = (size_t)snprintf(text, MESSAGE_MAX,
	    "{\"numwant\":%u,\"uploaded\":0,\"downloaded\":0,"
	    "\"left\":1000,\"action\":\"announce\",\"info_hash\":\"swarm%015u\","
	    "\"peer_id\":\"-WW0102-%012u\"", offers, number % load->swarms, number);
	for (i = 0; i < offers; i++) {
		length += (size_t)snprintf(text + length, MESSAGE_MAX - length,
		    "%s{\"offer\":{\"type\":\"offer\",\"sdp\":\"", i == 0 ? ",\"offers\":[" : ",");
		memset(text + length, 'x', load->bytes);
		length += load->bytes;
		length += (size_t)snprintf(text + length, MESSAGE_MAX - length,
		    "\"},\"offer_id\":\"%020u\"}", i);
	}
	length += (size_t)snprintf(text + length, MESSAGE_MAX - length, offers > 0 ? "]}" : "}");
	/* Masked with zeros: the server has to unmask all the same. */
	head = length < 126 ? 6 : 8;
	memset(text - head, 0, head);
	text[-(ptrdiff_t)head] = (char)0x81;
	if (length < 126) {
		text[-5] = (char)(0x80 | length);
	} else {
		text[-7] = (char)0xfe;
		text[-6] = (char)(length >> 8);
		text[-5] = (char)length;
	}
	send_all(load->peer[number].fd, text - head, length + head);
}

/* Read what comes, until so many messages have come in all. */
static void await(struct load *load, uint64_t messages)
{
	static uint8_t data[262144];
	unsigned i;

	while (load->messages < messages) {
		if (poll(load->polled, load->peers, SILENCE_MAX) <= 0) {
			fprintf(stderr, "load: %llu of %llu messages came\n",
			    (unsigned long long)load->messages, (unsigned long long)messages);
			exit(1);
		}
		for (i = 0; i < load->peers; i++) {
			ssize_t got;

			if (load->polled[i].revents == 0)
				continue;
			got = recv(load->peer[i].fd, data, sizeof data, MSG_DONTWAIT);
			if (got <= 0)
				die("recv");
			load->messages += peer_frames(&load->peer[i], data, (size_t)got);
		}
	}
}

/* -- runs ------------------------------------------------------------------------------- */

static void come(struct load *load)
{
	unsigned i;

	for (i = 0; i < load->peers; i++) {
		peer_open(load, &load->peer[i]);
		load->polled[i] = (struct pollfd){ .fd = load->peer[i].fd, .events = POLLIN };
		announce(load, i, 0);
	}
	await(load, load->peers);
}

static void run_idle(struct load *load)
{
	double before = status_bytes(load->pid, "VmRSS"),
	    anonymous = status_bytes(load->pid, "RssAnon");

	come(load);
	printf("{\"peers\":%u,\"swarms\":%u,\"rss_start\":%.0f,\"anonymous_start\":%.0f,"
	    "\"rss_per_peer\":%.1f,\"anonymous_per_peer\":%.1f}\n", load->peers, load->swarms,
	    before,
	    anonymous, (status_bytes(load->pid, "VmRSS") - before) / load->peers,
	    (status_bytes(load->pid, "RssAnon") - anonymous) / load->peers);
}

static void run_rounds(struct load *load)
{
	unsigned size = load->peers / load->swarms, i, round;
	unsigned relays = load->offers < size - 1 ? load->offers : size - 1;
	double announces = (double)load->peers * load->rounds, cpu, wall;
	uint64_t expected;

	come(load);
	expected = load->messages;
	cpu = cpu_time(load->pid);
	wall = wall_time();
	for (round = 0; round < load->rounds; round++) {
		for (i = 0; i < load->peers; i++)
			announce(load, i, load->offers);
		expected += (uint64_t)load->peers * (1 + relays);
		await(load, expected);
	}
	cpu = cpu_time(load->pid) - cpu;
	wall = wall_time() - wall;
	printf("{\"peers\":%u,\"swarms\":%u,\"offers\":%u,\"bytes\":%u,\"announces\":%.0f,"
	    "\"cpu_us_per_announce\":%.2f,\"cpu_us_per_message\":%.2f,\"announces_per_s\":%.0f}\n",
	    load->peers, load->swarms, load->offers, load->bytes, announces, cpu / announces,
	    cpu / (announces * (1 + relays)), announces / wall * 1e6);
}

static bool read_options(struct load *load, int argc, char **argv)
{
	int letter;

	while ((letter = getopt(argc, argv, "n:s:r:o:b:i")) != -1) {
		unsigned value = optarg != NULL ? (unsigned)strtoul(optarg, NULL, 10) : 0;

		switch (letter) {
		case 'n': load->peers = value; break;
		case 's': load->swarms = value; break;
		case 'r': load->rounds = value; break;
		case 'o': load->offers = value; break;
		case 'b': load->bytes = value; break;
		case 'i': load->idle = true; break;
		default: return false;
		}
	}
	if (argc - optind != 2)
		return false;
	load->port = (unsigned)strtoul(argv[optind], NULL, 10);
	load->pid = strtol(argv[optind + 1], NULL, 10);
	return load->swarms > 0 && load->peers % load->swarms == 0 &&
	    load->peers / load->swarms > 1 &&
	    (size_t)load->offers * (load->bytes + 80) < MESSAGE_MAX - 512;
}

int main(int argc, char **argv)
{
	struct load load = { .peers = 1000, .swarms = 20, .rounds = 20, .bytes = 600 };
	struct rlimit files;

	if (!read_options(&load, argc, argv)) {
		fprintf(stderr,
		    "usage: load [-n peers] [-s swarms] [-r rounds] [-o offers] [-b bytes] [-i] "
		    "PORT PID\n");
		return 2;
	}
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	load.peer = calloc(load.peers, sizeof *load.peer);
	load.polled = calloc(load.peers, sizeof *load.polled);
	load.message = malloc(MESSAGE_MAX + 16);
	if (load.peer == NULL || load.polled == NULL || load.message == NULL)
		die("memory");
	if (load.idle)
		run_idle(&load);
	else
		run_rounds(&load);
	return 0;
}
