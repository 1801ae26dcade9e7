/*
 * harness.h - what the black-box tests stand on: the program as a child process, a client
 * that speaks raw sockets, WebSocket and HTTP to it, and checks.
 *
 * Every test runs in a process of its own, forked by blackbox.c. A check that fails prints its
 * place and what was got, kills the servers of this process and ends it: no function here
 * returns a failure unless its comment says so. Memory is never given back; the process
 * is short. Texts returned are terminated and belong to the test.
 *
 * In formats of messages and of expected messages ' stands for ": {'left':0}. It is replaced
 * in the format only, not in the arguments.
 *
 * Times are seconds. Times of the server's clocks run `divisor` times faster in a test build:
 * clock_wait and clock_since take and return those, everything else is real time.
 */
#ifndef HARNESS_H
#define HARNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#define FORMAT(string, first) __attribute__((format(printf, string, first)))

/* --- the tests --- */

struct bb_test {
	const char *name;
	void (*run)(void);
	unsigned where;
	double seconds;   /* of the server's clocks that pass in it; 0: hardly any */
};

/* Where a test runs. TINY: 6 connections, 14 memberships, 4 torrents, 1 KB waiting. */
enum {
	LARGE = 0,        /* everywhere but in TINY */
	FITS = 1,         /* in TINY too */
	FITS_PLAIN = 2,   /* the same, but not in TINY with TLS: there records wait as well */
	PLAIN = 4,        /* not with TLS */
	TLS = 8,          /* with TLS only */
	SANDBOX = 16      /* not where servers are left without theirs */
};

#define TEST(name, where, seconds) { #name, name, where, seconds }
#define TESTS_END { NULL, NULL, 0, 0 }

extern const struct bb_test bb_handshake[], bb_frames[], bb_cuts[], bb_announce[], bb_strings[],
    bb_offers[], bb_answers[], bb_owner[], bb_scrape[], bb_http[], bb_stats[], bb_options[],
    bb_config[], bb_output[], bb_signals[], bb_limits[], bb_proxy[], bb_time[], bb_load[],
    bb_tls[], bb_conformance[], bb_sandbox[], bb_gate[], bb_metrics[], bb_log[],
    bb_state[];

struct settings {
	const char *program;   /* path of the server's binary */
	const char *folder;    /* where a test may make files */
	double divisor;        /* how much faster the server's clocks run; 1: as written */
	bool tiny;             /* servers get tables of the sizes that FITS speaks of */
	bool tls;              /* servers get a certificate, and clients speak TLS */
	bool no_sandbox;       /* servers get that option: a sanitized one does not fit in */
};

/* Run one test in this process and end every server it has left; does not return. */
_Noreturn void test_run(const struct settings *settings, const struct bb_test *test);

/* Say which case of a table is tried; printed if a check fails. */
void test_case(const char *format, ...) FORMAT(1, 2);

/* End the test as neither passed nor failed: this machine cannot run it. */
_Noreturn void test_skip(const char *why);

bool test_is_tiny(void);
bool test_is_tls(void);

/* From now on servers get no certificate, and clients speak no TLS unless told to. */
void test_without_tls(void);

/* A certificate (test-NAME) and its key from pem.h, as files; and both as options. */
char *pem_certificate(const char *name);
char *pem_key(const char *name);
#define PAIR(name) "--cert", pem_certificate(name), "--key", pem_key(name)

/* Write a file for the test, and return its path. A path alone: test_path. */
char *test_file(const char *name, const char *content);
char *test_path(const char *name);

/* Remove a folder and all in it. */
void folder_remove(const char *path);

/* --- checks --- */

#define CHECK(what) \
	((what) ? (void)0 : check_failed(__FILE__, __LINE__, "%s", #what))
#define CHECK_NUMBER(got, want) \
	check_number(__FILE__, __LINE__, #got, (long long)(got), (long long)(want))
#define CHECK_TEXT(got, want) check_text(__FILE__, __LINE__, #got, got, want)
#define CHECK_BETWEEN(got, low, high) check_between(__FILE__, __LINE__, #got, got, low, high)
#define CHECK_CONTAINS(got, part) check_contains(__FILE__, __LINE__, #got, got, part)
#define CHECK_LACKS(got, part) check_lacks(__FILE__, __LINE__, #got, got, part)

_Noreturn void check_failed(const char *file, int line, const char *format, ...) FORMAT(3, 4);
void check_number(const char *file, int line, const char *what, long long got, long long want);
void check_text(const char *file, int line, const char *what, const char *got, const char *want);
void check_between(const char *file, int line, const char *what, double got, double low,
    double high);
void check_contains(const char *file, int line, const char *what, const char *got,
    const char *part);
void check_lacks(const char *file, int line, const char *what, const char *got, const char *part);

/* --- texts, ids, time --- */

struct text {
	char *bytes;    /* always terminated once something was added */
	size_t len;
	size_t room;
};

void text_add(struct text *text, const void *bytes, size_t len);
void text_format(struct text *text, const char *format, ...) FORMAT(2, 3);   /* appends */
char *format_text(const char *format, ...) FORMAT(1, 2);
char *text_repeat(const char *piece, size_t times);
char *text_quoted(const char *text);   /* with " for ' */

/* The text with everything but printable ASCII as \xNN, at most 600 bytes of it. */
char *text_shown(const char *text, size_t len);

struct id {
	char text[21];   /* 20 printable characters that JSON need not escape */
};

struct id id_peer(void);             /* -WW0102- and 12 random letters: WebTorrent 1.2 */
struct id id_hash(void);
struct id id_from(const char *text); /* of these 20 characters */
char *id_hex(struct id id);          /* 40 digits, lower case */
uint32_t random_number(void);

double time_now(void);
void time_wait(double seconds);
void clock_wait(double seconds);
double clock_since(double then);     /* then: an earlier time_now() */
double clock_slack(void);            /* how late something may be on a busy machine */

/* --- the server --- */

struct client;

struct server {
	pid_t pid;
	int out, err;            /* read ends of its stdout and stderr; out is -1 once closed */
	int port;
	char path[100];          /* of its unix socket, "" without */
	int family;              /* how clients connect unless told otherwise */
	uint32_t inet;           /* to which IPv4 address; 0: loopback */
	bool stats;              /* it has /stats */
	bool ended;
	int status;              /* as waitpid tells, once ended */
	long descriptors;        /* open ones at start, -1: cannot be seen here */
	struct text lines;       /* of its stdout, read so far */
	size_t line;             /* where the next unseen line begins */
	struct text errors;      /* of its stderr, without times and what is in `limits` */
	struct text limits;      /* warnings there that a limit is met, or connections wait */
	struct text heard;       /* all of stderr, as it came */
	size_t judged;           /* how much of that is in the other two */
	unsigned stamped, plain; /* lines of the program's there, with the time and without */
	time_t since;            /* when it was started */
	struct client *clients;
	struct client *ticker;   /* for server_turn */
	void *session;           /* the last of TLS that a client had; NULL: none */
	unsigned closes;         /* of clients that spoke TLS */
	struct server *next;
};

#define OPTIONS(...) ((const char *const[]) { __VA_ARGS__, NULL })

/* Set a new one's texts and time. */
void server_init(struct server *server);

/* The time that a line begins with, before a blank; -1: none. */
time_t stamp_read(const char *line);

/*
 * Start the program with these options (NULL: none) and read its first line. Port 0 is added if
 * they name none, and in a tiny run the limits that they do not name. server_start_under runs
 * a line of shell first, as `ulimit -n 128`.
 */
struct server *server_start(const char *const *options);
struct server *server_start_under(const char *shell, const char *const *options);

/*
 * End a server and check what must hold at every end: with its clients gone every count in
 * /stats.json comes back to 0 and the descriptors are those of the start; SIGTERM ends it with
 * status 0; `errors` is empty. Tests call it to look at what is left; test_run does the others.
 */
void server_end(struct server *server);

/* Close all clients and wait until nothing of them is left in the server. */
void server_settle(struct server *server);

/* Wait until it has ended; false after this many seconds. Reads its output meanwhile if told to. */
bool server_wait(struct server *server, double seconds, bool read);

/* The next line of stdout without its newline; NULL when none comes in time. */
char *server_line(struct server *server, double seconds);

/* The next line of an event or a WARNING, skipping others; "none" when none comes in time. */
char *server_event(struct server *server, double seconds);

/* The next line of `errors`, which server_end does not find any more; "none" when none comes. */
char *server_error(struct server *server);

/* Return when the server has read all that clients wrote before: a turn of its loop. */
void server_turn(struct server *server);

/* Read stderr alone, without waiting; is there anything in `errors`? */
bool server_complains(struct server *server);

/* A number from /stats.json, -1: no such key. CHECK_STAT waits for nothing. */
long server_stat(struct server *server, const char *key);
#define CHECK_STAT(server, key, want) \
	check_number(__FILE__, __LINE__, key, server_stat(server, key), want)

long server_descriptors(const struct server *server);   /* -1: cannot be seen here */
long server_memory(const struct server *server);        /* RssAnon in KiB; -1: same */

struct outcome {
	int status;   /* exit status, -1: did not end in 5 seconds or by a signal */
	char *out;
	char *err;
};

/* Run the program to its end with exactly these options. Its errors have no times; but those of a
 * start that failed are checked to have come with them, and those of wrong options without. */
struct outcome program_run(const char *const *options);

int port_free(void);           /* a port that nobody listens on */
bool machine_has_ipv6(void);

/* --- the client (bb_client.c) --- */

struct client {
	int fd;                  /* -1 once closed */
	struct server *server;
	struct text in;          /* received; what lies before taken was used */
	size_t taken;
	bool ended;              /* the server has closed or reset the connection */
	bool closing;            /* a close frame was sent */
	bool mute;               /* leave pings unanswered */
	int pings;               /* of the server, seen so far */
	double pinged;           /* when the last was seen */
	struct channel *channel; /* TLS; NULL: none */
	struct client *next;
};

struct client *client_connect(struct server *server);
struct client *client_connect_by(struct server *server, int family);  /* AF_UNIX too */
/* NULL if the connection is refused. backlog: how many bytes to receive unread, 0: default. */
struct client *client_try(struct server *server, int family, int backlog);
struct client *client_open(struct server *server);                    /* and shake hands */
struct client *client_open_with(struct server *server, const char *headers);

void client_shake(struct client *client, const char *headers);  /* whole lines to add */
void client_close(struct client *client);    /* FIN, no close frame */
void client_reset(struct client *client);    /* RST */

/* Write all bytes; quietly stops when the server has closed. */
void client_write(struct client *client, const void *bytes, size_t len);
void client_print(struct client *client, const char *format, ...) FORMAT(2, 3);
/* Write without waiting; how many bytes went, -1: the connection has ended. */
ssize_t client_push(struct client *client, const void *bytes, size_t len);

enum {
	FIN = 0x80, RSV1 = 0x40, RSV2 = 0x20, RSV3 = 0x10,
	CONTINUATION = 0, TEXT = 1, BINARY = 2, CLOSE = 8, PING = 9, PONG = 10
};

/* Append a masked frame with this first byte, its length in the shortest form / in so many bits. */
void frame_add(struct text *text, unsigned first, const void *payload, size_t len);
void frame_add_long(struct text *text, unsigned first, const void *payload, uint64_t len,
    int bits);

void client_frame(struct client *client, unsigned first, const void *payload, size_t len);
void client_say(struct client *client, const char *format, ...) FORMAT(2, 3);
void client_say_text(struct client *client, const char *text);

struct frame {
	int opcode;
	size_t len;
	char *payload;   /* terminated */
};

enum next { NEXT_FRAME, NEXT_NOTHING, NEXT_END };

/* The next frame that is no ping (those are counted, and answered unless mute). */
enum next client_next(struct client *client, struct frame *frame, double seconds);

/* Wait at most so long for the end of the connection, discarding what comes; false: it lives. */
bool client_ends(struct client *client, double seconds);

/* The next text message; fails when none comes. Checks that it is UTF-8 and JSON. */
#define HEAR(client) client_hear(__FILE__, __LINE__, client)
char *client_hear(const char *file, int line, struct client *client);

/* The next message is exactly this. */
#define EXPECT(client, ...) client_expect(__FILE__, __LINE__, client, __VA_ARGS__)
void client_expect(const char *file, int line, struct client *client, const char *format, ...)
    FORMAT(4, 5);

/*
 * All that the server has for this client was read: it answers a ping next, and another one
 * (what others sent before may be relayed in the turn that answers the first).
 */
#define SILENT(client) client_silent(__FILE__, __LINE__, client)
void client_silent(const char *file, int line, struct client *client);

/* The messages that the server has for it by now, ended by NULL. */
#define MESSAGES(client) client_messages(__FILE__, __LINE__, client)
char **client_messages(const char *file, int line, struct client *client);

/* A close frame with this code (0: none) comes next, then the connection ends. */
#define CLOSED(client, code) client_closed(__FILE__, __LINE__, client, code)
void client_closed(const char *file, int line, struct client *client, int code);

/* Announce; extra is further keys: ",'left':0". JOIN also reads the reply, whatever it counts. */
void client_announce(struct client *client, struct id hash, struct id id, const char *extra);
#define JOIN(client, hash, id, extra) \
	client_join(__FILE__, __LINE__, client, hash, id, extra)
void client_join(const char *file, int line, struct client *client, struct id hash, struct id id,
    const char *extra);

/* The next message is the reply to an announce / a failure of it, with default interval. */
#define REPLY(client, complete, incomplete, hash) \
	EXPECT(client, "{'complete':%d,'incomplete':%d,'action':'announce','interval':120," \
	    "'info_hash':'%s'}", complete, incomplete, (hash).text)
#define FAILURE(client, reason, hash) \
	EXPECT(client, "{'action':'announce','failure reason':'%s','info_hash':'%s'}", \
	    reason, (hash).text)

/* count offers numbered from 0, as further keys; and the relay of number n. */
char *offers_made(int count);
#define RELAYED(client, n, from, hash) \
	EXPECT(client, "{'action':'announce','offer':{'type':'offer','sdp':'sdp %d'}," \
	    "'offer_id':'offer %d','peer_id':'%s','info_hash':'%s'}", n, n, \
	    (from).text, (hash).text)

/* An answer to id's offer, as further keys; and its relay. */
char *answer_made(struct id to);
#define ANSWERED(client, from, hash) \
	EXPECT(client, "{'action':'announce','answer':{'type':'answer','sdp':'reply'}," \
	    "'offer_id':'offer 0','peer_id':'%s','info_hash':'%s'}", \
	    (from).text, (hash).text)

/* The counts of a torrent as client's scrape tells them. */
#define SCRAPED(client, hash, complete, incomplete, downloaded) \
	(client_say(client, "{'action':'scrape','info_hash':'%s'}", (hash).text), \
	EXPECT(client, "{'action':'scrape','files':{'%s':{'complete':%d,'incomplete':%d," \
	    "'downloaded':%d}},'flags':{'min_request_interval':120}}", (hash).text, \
	    complete, incomplete, downloaded))

/* --- TLS (bb_channel.c) --- */

/*
 * Let a client that has sent nothing yet speak TLS with this server name; its handshake comes with
 * its first write, or client_agree. resume: offer the server's last session. In a TLS run every
 * client is made so; client_bare takes it back.
 */
void client_secure(struct client *client, const char *name, bool resume);
void client_bare(struct client *client);

/* Do the handshake; false if it fails or takes longer. */
bool client_agree(struct client *client, double seconds);

bool client_is_shown(const struct client *client, const char *name);   /* that certificate's CN */
bool client_is_resumed(const struct client *client);
bool client_is_notified(const struct client *client);   /* the server has sent close_notify */
int client_fault(const struct client *client);          /* an error number of BearSSL; 0: none */
void client_notify(struct client *client);              /* send close_notify */

/* The records that begin a handshake, and those that hold so many bytes: for the test to send. */
struct text client_hello(struct client *client);
void client_record(struct client *client, struct text *records, const void *bytes, size_t len);
void client_renegotiate(struct client *client, struct text *records);

/* What bb_client.c does instead of send and recv, and before close. */
ssize_t channel_send(struct client *client, const void *bytes, size_t len);
ssize_t channel_receive(struct client *client, void *bytes, size_t size);
bool channel_waits(struct client *client);   /* some that was sent is not in the socket yet */
void channel_end(struct client *client);

/* --- HTTP (bb_client.c) --- */

struct reply {
	int status;       /* 0: the connection ended without one */
	char *head;       /* status line and headers */
	char *body;
	size_t len;       /* of the body */
};

struct reply client_reply(struct client *client);       /* reads one */
struct reply client_reply_head(struct client *client);  /* to HEAD: no body follows */

/* One request on a connection of its own. request is sent as it is, headers included. */
struct reply http_ask(struct server *server, const char *request);
struct reply http_get(struct server *server, const char *path, const char *headers);

/* The value of a header, NULL without. */
char *reply_header(const struct reply *reply, const char *name);
bool reply_says(const struct reply *reply, const char *name, const char *value);

/* --- JSON (bb_client.c) --- */

bool utf8_valid(const char *text, size_t len);
bool json_valid(const char *text, size_t len);
char *json_compact(const char *text);                       /* without blanks between tokens */
long json_number(const char *text, const char *key);        /* of the first such key; -1 */
long json_bytes(const char *text, const char *key, uint8_t bytes[static 64]);  /* decoded; -1 */

#endif
