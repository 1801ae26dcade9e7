/*
 * inside.h - what the seven files of the server share; nobody else includes it.
 *
 *   server.c    the object, its turn, its clocks
 *   accept.c    where it listens, and who is let in
 *   inbound.c   bytes that come: request heads, frames, whole messages to the tracker
 *   ask.c       what the program is asked and answers: the filter
 *   show.c      what is shown: numbers, pages made of them, their history
 *   secure.c    TLS between inbound, outbound and the socket
 *   outbound.c  bytes that go: what the tracker emits, what a turn sends; and how connections end
 *
 * A connection is named by its number in the table. It never goes away while something is done with
 * it: conn_doom only marks it, and the turn's end frees it. So after anything that may send, a
 * caller looks at the connection's state, but need not fear for its number.
 */
#ifndef INSIDE_H
#define INSIDE_H

#include "address.h"
#include "buf.h"
#include "conns.h"
#include "counters.h"
#include "history.h"
#include "listen.h"
#include "poll.h"
#include "quota.h"
#include "server.h"
#include "site.h"
#include "tls.h"
#include "tracker.h"
#include "ws.h"

#define READ_SIZE 65536         /* bytes of one recv */
#define READ_HASTY 4096         /* and of one of a connection that filled it, or that had */
#define FRAMES_FAIR 32          /* more frames or records than are its share of a turn, until it */
#define HASTY_TIME 1000         /* was silent for so many ms */
#define OUT_MAX 262144          /* unsent bytes of one connection */

/* A test build lets the server's clock run faster, which makes every timeout shorter. */
#ifndef CLOCK_SPEED
#define CLOCK_SPEED 1
#endif

/* The lists by time; how long a connection may stay in each is in server.c. */
enum timer {
	TIMER_HEAD,             /* a request's head is coming, or the first is awaited */
	TIMER_IDLE,             /* HTTP, between requests */
	TIMER_ALIVE,            /* WebSocket: since it was last heard */
	TIMER_PINGED,           /* WebSocket: since the ping that is not answered */
	TIMER_QUEUED,           /* TLS: a handshake's whole first record waits for its turn */
	TIMER_HANDSHAKE,        /* TLS: since the handshake's first step */
	TIMER_ASKED,            /* WebSocket: a message waits for the program's verdict */
	TIMER_ENDING,           /* closing */
	TIMERS,
	TIMER_DOOMED = TIMERS   /* not timed: gone at the end of the turn */
};

/* The lists of young connections: those that came in, those that are only told that it is full, and
 * all of the port for metrics. */
enum young { YOUNG_WAITING, YOUNG_REFUSED, YOUNG_MONITORS, YOUNGS };

#define REFUSED_MAX 16          /* newcomers at a time that are told that it is full */
#define MONITORS_MAX 8          /* connections of the port for metrics */
#define ACCEPT_PAUSE 100        /* ms without accepting when the system has no descriptor left */
#define ENDS_MAX 64             /* connections that the program ends in one turn, noted one by one */

#define HOLDS 20        /* lists of holders: list n has those of 2^(n-1) to 2^n - 1 buffers */

#define SECURE_PLAIN_MAX 65536      /* bytes encrypted at a time */
#define SECURE_CIPHER_MAX 81920     /* bytes that can become, or that a handshake's step sends */

/* What a connection that speaks TLS has besides its struct conn. */
struct secure_link {
	struct buf_chain in;            /* of a record that is not whole, or that has to wait */
	struct buf_chain out;           /* encrypted and not sent yet */
	uint32_t need;                  /* bytes that `in` must have before it is looked at again */
	uint32_t records;               /* that came before application data, or were none */
};

struct secure {
	struct tls *tls;                /* NULL: no TLS */
	struct secure_link *links;      /* by number */
	uint8_t *plain;                 /* a record's plaintext; older bytes are put before it */
	uint8_t *cipher;                /* what is to be sent: SECURE_CIPHER_MAX bytes */
	size_t length;                  /* bytes there */
	bool overflow;
	bool no_room;                   /* it was for want of buffers that sending failed last */
	uint32_t spent;                 /* us of this turn that handshakes took */
};

enum ask_state {
	ASK_NONE,
	ASK_ASKED,
	ASK_ANSWERED            /* the verdict is there, and not used yet */
};

/* What a connection has besides if there is a filter. */
struct ask_link {
	struct buf_chain head;          /* of the request by which the WebSocket was opened */
	uint32_t serial;                /* of the last question */
	uint32_t next;                  /* in the list of the answered */
	uint32_t seconds;               /* the verdict */
	uint8_t state;                  /* enum ask_state */
	bool again;                     /* it is about a member */
	bool allowed;
	bool queued;                    /* stands in that list */
	char reason[UWT_REASON_MAX];
};

/* What is shown from memory; see show.c. */
enum shown {
	SHOWN_HOUR, SHOWN_DAY, SHOWN_MONTH, SHOWN_HISTORY, SHOWN_METRICS,
	SHOWN_TORRENTS,                 /* from here on lists, by enum swarm_order */
	SHOWN = SHOWN_TORRENTS + SWARM_ORDERS
};

struct shown_text {
	uint64_t since;                 /* ms: when it was rendered */
	size_t length;                  /* 0: never */
};

/* What an event belongs to: a connection has its number in the low half and its generation in the
 * high half, a listener its place plus 1 in the high half, and the pipe for waking is this. */
#define TAG_WAKE 0
#define TAG_LISTENER(place) (((uint64_t)(place) + 1) << 32)
#define TAG_MONITOR(place) TAG_LISTENER(LISTEN_MAX + (place))

struct uwt_server {
	struct uwt_options options;
	struct site site;
	struct address_ranges trusted;  /* proxies */
	size_t memory_size;             /* bytes reserved, this struct included */
	struct poll_set *poll;
	struct listen_set listeners;
	struct listen_set monitor_listeners;    /* of the port for metrics */
	int wake[2];                    /* a pipe: what is written there ends a wait */
	uint64_t started;               /* ms: the clock at the start */
	uint64_t now;                   /* ms since then, read once per turn */
	uint64_t turn_from;             /* us: since when a turn works; 0: it does not */
	uint64_t accept_again;          /* ms: nothing is accepted until then; 0: accepting */
	uint64_t close_by;              /* ms: once closed, when connections are cut off */
	bool closed;
	bool turning;                   /* callbacks may be called: what they ask for waits */
	bool close_asked;               /* uwt_server_close, with this grace */
	uint32_t grace;
	/* uwt_server_end, of those with CONN_UNWANTED: which, if they are not more than there is
	 * room for */
	uint32_t ends_asked;
	uint32_t ends[ENDS_MAX];
	bool starved;                   /* the last connection could not be accepted */
	const char *ailment;            /* why the program takes no peers; NULL: it does */
	struct counters counters;

	struct conns conns;
	struct conn_list timers[TIMERS + 1];
	struct quota *quota;            /* connections by address, NULL: not counted */
	struct conn_list youngs[YOUNGS];
	struct conn_list holds[HOLDS + 1];
	uint32_t refused;               /* connections with CONN_FULL */
	uint32_t websockets;            /* with CONN_UPGRADED */
	uint32_t monitors;              /* with CONN_MONITOR */
	uint32_t dirty, dirty_last;     /* those with output to send this turn, as they came */

	struct buf_pool *pool;
	struct tracker *tracker;
	char *page;                     /* where what is not kept is rendered */
	char *shown_memory;
	struct shown_text shown[SHOWN];
	int64_t wall, wall_started;     /* s since 1970: when it was last asked for, and first */
	struct history *history;
	uint64_t sample_due;            /* ms: when the next sample is taken */
	uint64_t sampled;               /* ms: the last one */
	uint64_t sums[HISTORY_SERIES];  /* what had happened by then */
	uint8_t *input;                 /* where recv writes; older bytes are put before it */
	unsigned parts;                 /* frames and records of the connection at hand, this turn */
	struct secure secure;

	struct ask_link *asks;          /* by number; NULL: there is no filter */
	uint32_t heads;                 /* buffers that hold them: at most half of all, as they stay
	                                 * for as long as their connections do */
	uint32_t asked;                 /* questions so far */
	uint32_t answered, answered_last;       /* the list of those */
	struct msg_slice message;       /* the one at hand */
	char head[HTTP_HEAD_MAX];       /* of the connection that a question is about */
	char address[ADDRESS_TEXT_MAX]; /* of the connection that a request is of */
};

/* server.c */

/* The number by which the program knows a connection; and the place of one that it names, 0 if
 * that has ended. */
uint64_t conn_id(const struct uwt_server *server, uint32_t number);
uint32_t conn_find(const struct uwt_server *server, uint64_t id);

/* Put a connection into a list by time, as of now. */
void conn_time(struct uwt_server *server, uint32_t number, enum timer timer);

/* For how many ms has it been there? Right for 49 days. */
uint32_t conn_age(const struct uwt_server *server, uint32_t number);

/* Put a connection into its list of young ones, or take it out; either may be done twice. */
void young_join(struct uwt_server *server, uint32_t number);
void young_leave(struct uwt_server *server, uint32_t number);

/* accept.c */

/* Are there as many connections as there may be? */
bool is_full(const struct uwt_server *server);

/* Something waits at a listener: that of this place in one of the two sets. */
void listener_event(struct uwt_server *server, uint32_t place);

/* Accept again, if a pause is over; without an effect else. */
void accept_resume(struct uwt_server *server);

/* Close all listeners, for good. */
void stop_listening(struct uwt_server *server);

/* inbound.c */

/* A connection can be read. */
void conn_readable(struct uwt_server *server, uint32_t number);

/* Has a connection had its share of a turn? Then it is paused, and goes on in the next one; but not
 * if there is no room to keep what it has: `length` bytes, in that chain. To be asked before each
 * frame and record of a WebSocket. */
bool is_enough(struct uwt_server *server, uint32_t number, const struct buf_chain *chain,
    size_t length);

/* Use plaintext, before which there is room for what was read earlier. */
void conn_input(struct uwt_server *server, uint32_t number, uint8_t *data, size_t length);

/* All output has been sent: go on with what was read before. */
void conn_resume(struct uwt_server *server, uint32_t number);

/* There is no room for what a WebSocket sent: it ends. */
void no_room(struct uwt_server *server, uint32_t number);

/* Take a whole message of a WebSocket. */
void message_take(struct uwt_server *server, uint32_t number, const uint8_t *text, size_t length);

/* show.c */

/* Bytes of memory for what is kept, touched as it is asked for. */
size_t show_size(const struct uwt_options *options);

/* Give an answer that is to be shown its body. */
void show(struct uwt_server *server, const struct http_request *request, struct site_answer *answer);

/* Note what each minute came to: begin; in how many ms is it due; do it if it is. */
void show_start(struct uwt_server *server);
int64_t show_due(const struct uwt_server *server);
void show_run(struct uwt_server *server);

/* The server closes: what the minute that is not over came to so far. */
void show_last(struct uwt_server *server);

/* ask.c */

/* A request as the program sees it, by a head that is well-formed. */
void request_see(struct uwt_server *server, uint32_t number, const char *head, size_t length,
    struct uwt_request *seen);

/* Keep the head of a WebSocket that is about to open, for the filter. False if there is no room. */
bool ask_keep(struct uwt_server *server, uint32_t number, const char *head, size_t length);

/* tracker_sink's admit. */
enum tracker_verdict ask(void *context, uint32_t number, const struct msg *msg, bool again,
    struct tracker_terms *terms);

/* Keep a message until its verdict is there, and the connection unread. */
void ask_wait(struct uwt_server *server, uint32_t number, const uint8_t *text, size_t length);

/* Take the messages whose verdicts have come. */
void ask_run(struct uwt_server *server);

/* No verdict has come in time. */
void ask_late(struct uwt_server *server, uint32_t number);

/* The connection ends. */
void ask_forget(struct uwt_server *server, uint32_t number);

/* secure.c: for connections with CONN_TLS */

/* Use what a socket gave; before data there is room. */
void secure_input(struct uwt_server *server, uint32_t number, uint8_t *data, size_t length);

/* Go on with records that were kept while the connection was paused. */
void secure_resume(struct uwt_server *server, uint32_t number);

/* Has the connection a handshake for which this turn has no time left? Then it is not read. */
bool secure_is_late(const struct uwt_server *server, uint32_t number);

/* Begin the handshakes that wait, as far as a turn has time and there is room for them, but one at
 * least; the turn's last call. In how many ms may one of them begin? -1 if none waits. */
void secure_run_queue(struct uwt_server *server);
int64_t secure_queue_wait(const struct uwt_server *server);

/* Send what the connection has to send, as far as its socket takes it. False if it is broken. */
bool secure_flush(struct uwt_server *server, uint32_t number);

/* Encrypt and send pieces at once, keeping what the socket does not take. Returns how many bytes
 * they are, -1 if the connection is broken or there is no room. */
ssize_t secure_send(struct uwt_server *server, uint32_t number, const struct msg_slice *pieces,
    size_t count);

/* Tell the peer that this is the end. */
void secure_end(struct uwt_server *server, uint32_t number);

/* Give back all that TLS holds for a connection. */
void secure_forget(struct uwt_server *server, uint32_t number);

/* outbound.c */

/* Hand bytes to a socket. Returns how many it took, -1 if the connection is broken. */
ssize_t socket_send(struct uwt_server *server, int fd, const struct iovec *pieces, int count);

/* Send from a chain until it is empty or the socket takes no more. False if the connection is
 * broken. */
bool chain_send(struct uwt_server *server, int fd, struct buf_chain *chain);

/* Let output be sent at the end of the turn. */
void conn_dirty(struct uwt_server *server, uint32_t number);

/* Bytes that wait to be sent. */
size_t conn_unsent(const struct uwt_server *server, uint32_t number);

/* The peer has sent all it will. */
void conn_input_ended(struct uwt_server *server, uint32_t number);

/* Tell the program that a peer did wrong; text may hold any bytes. */
void conn_warn(const struct uwt_server *server, const char *text);

/* Somebody was refused something: count that (COUNT_REFUSED_...) and tell the program. */
void refused(struct uwt_server *server, enum counter why);

/* End a connection: its output is thrown away, the rest happens at the end of the turn. The first
 * cause (COUNT_ENDED_...) that is given for an end is what it counts as. */
void conn_doom(struct uwt_server *server, uint32_t number, enum counter cause);

/* The same for want of buffers, which is a refusal too; and when sending has failed, which may have
 * been for that. */
void conn_starve(struct uwt_server *server, uint32_t number);
void conn_broken(struct uwt_server *server, uint32_t number);

/* At the end of a turn, for those that were doomed: first, end their memberships, so that the
 * program is told before replies are sent; then, with nothing queued any more, close their
 * descriptors and free their numbers. */
void conns_leave(struct uwt_server *server);
void conns_reap(struct uwt_server *server);

/* Read no more until all output has been sent, and not before the next turn. */
void conn_pause(struct uwt_server *server, uint32_t number);

/* Send the output and then close; memberships end now. If the peer may still be sending
 * (at_once false), its bytes are thrown away until it closes too, or 5 s have passed. */
void conn_end(struct uwt_server *server, uint32_t number, bool at_once, enum counter cause);

/* Queue bytes to be sent at the end of the turn. Returns false, queueing nothing, if memory is
 * short or the connection is ending. */
bool conn_send(struct uwt_server *server, uint32_t number, const struct msg_slice *pieces,
    size_t count);

/* Queue a frame. */
void conn_send_frame(struct uwt_server *server, uint32_t number, enum ws_opcode opcode,
    const struct msg_slice *payload, size_t count);

/* Send an HTTP answer, at once as far as the socket takes it: it may be larger than the pool. */
void conn_send_answer(struct uwt_server *server, uint32_t number, const struct site_answer *answer,
    uint8_t minor, bool with_body);

/* Send a close frame and end the connection; says no code for WS_STATUS_NONE. */
void conn_close_websocket(struct uwt_server *server, uint32_t number, uint16_t status,
    bool at_once, enum counter cause);

/* Ping a WebSocket that has no unanswered ping. */
void conn_ping(struct uwt_server *server, uint32_t number);

/* The socket takes bytes again. */
void conn_writable(struct uwt_server *server, uint32_t number);

/* Send what the turn has queued, after telling the program of the turn. */
void conns_flush(struct uwt_server *server);

/* Keep bytes that were read; may end the largest holder of buffers. False if there is no room. */
bool conn_keep(struct uwt_server *server, uint32_t number, struct buf_chain *chain,
    const uint8_t *data, size_t length);

/* Note how many buffers a connection holds over a turn. */
void conn_hold(struct uwt_server *server, uint32_t number);

/* Wait for what the connection's flags ask for. */
void conn_interest(struct uwt_server *server, uint32_t number);

#endif
