/*
 * ws.h - WebSocket (RFC 6455): the handshake's key, frames, and UTF-8.
 *
 * Pure: no socket, no clock, no allocation. Buffers belong to the caller; frame
 * parsing reads heads only, and what is to be unmasked is unmasked in place.
 */
#ifndef WS_H
#define WS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WS_KEY_SIZE 24          /* Sec-WebSocket-Key: base64 of 16 bytes */
#define WS_ACCEPT_SIZE 28       /* Sec-WebSocket-Accept: base64 of a SHA-1 */
#define WS_HEAD_MAX 14          /* longest frame head that a client sends */
#define WS_SERVER_HEAD_MAX 10   /* longest that a server sends: it has no mask */
#define WS_CONTROL_MAX 125      /* longest payload of a control frame (5.5) */

enum ws_opcode {
	WS_CONTINUATION = 0x0,
	WS_TEXT = 0x1,
	WS_BINARY = 0x2,
	WS_CLOSE = 0x8,
	WS_PING = 0x9,
	WS_PONG = 0xA
};

/* Status codes of a close frame (7.4.1) that this side sends. */
enum ws_status {
	WS_STATUS_NONE = 0,             /* no code: an empty close frame */
	WS_STATUS_NORMAL = 1000,
	WS_STATUS_GOING_AWAY = 1001,
	WS_STATUS_PROTOCOL = 1002,
	WS_STATUS_NOT_UTF8 = 1007,
	WS_STATUS_POLICY = 1008,
	WS_STATUS_TOO_BIG = 1009,
	WS_STATUS_TRY_LATER = 1013
};

/*
 * The value of Sec-WebSocket-Accept for a Sec-WebSocket-Key (4.2.2), not
 * terminated. Returns false, writing nothing, if key is not the canonical base64
 * of exactly 16 bytes: WS_KEY_SIZE characters, "==" at the end, unused bits 0.
 */
bool ws_accept(const char *key, size_t len, char accept[static WS_ACCEPT_SIZE]);

struct ws_frame {
	uint64_t length;   /* bytes of payload */
	uint8_t head;      /* bytes of head; the payload follows */
	uint8_t opcode;    /* enum ws_opcode */
	bool fin;
	uint8_t mask[4];
};

enum ws_result {
	WS_WHOLE,     /* the head was read; *frame is filled in */
	WS_PARTIAL,   /* more bytes are needed to know */
	WS_BAD        /* not what a client may send: close with WS_STATUS_PROTOCOL */
};

/*
 * Read the head of a client's frame from the first len bytes at data (5.2).
 * Answers WS_BAD as soon as a byte shows it: a reserved bit or opcode, no mask, a
 * control frame that is fragmented or longer than WS_CONTROL_MAX, a length not in
 * its shortest form or of more than 63 bits. *frame is meaningful after WS_WHOLE only.
 */
enum ws_result ws_frame_read(const uint8_t *data, size_t len, struct ws_frame *frame);

/* How many bytes of head a client's frame has whose first len bytes are at data:
 * 2 while len < 2, then its true size (6, 8 or 14). */
size_t ws_head_size(const uint8_t *data, size_t len);

/* Unmask (or mask) len bytes in place; data[0] meets mask[0] (5.3). */
void ws_unmask(uint8_t *data, size_t len, const uint8_t mask[static 4]);

/* Write the head of an unmasked, unfragmented frame; returns its size, 2, 4 or 10. */
size_t ws_frame_head(enum ws_opcode opcode, uint64_t length,
    uint8_t head[static WS_SERVER_HEAD_MAX]);

/*
 * Judge the payload of a client's close frame (5.5.1, 7.4). Returns the status to
 * answer with, the first of these that holds: WS_STATUS_NONE for an empty payload,
 * WS_STATUS_PROTOCOL for one of 1 byte, of over WS_CONTROL_MAX, or with a code that is not
 * valid to send (valid are 1000 to 1003, 1007 to 1014, 3000 to 4999), WS_STATUS_NOT_UTF8 for
 * a reason that is not UTF-8, else the payload's own code.
 */
uint16_t ws_close_answer(const uint8_t *payload, size_t len);

/* Is this whole text UTF-8 (RFC 3629: no overlong form, no surrogate, nothing over
 * U+10FFFF)? */
bool ws_utf8_valid(const uint8_t *text, size_t len);

#endif
