/*
 * http.h - HTTP/1.0 and 1.1 request heads and response heads (RFC 9110, 9112).
 *
 * Pure: no socket, no clock, no allocation. A parsed request consists of slices
 * into the caller's buffer, valid as long as that buffer is; only a path that was left
 * out of an absolute target is the constant `/`.
 *
 * A head is first found, then parsed: http_head_find looks at each byte once, however
 * the head was split over reads; http_head_parse runs once, on the whole head.
 */
#ifndef HTTP_H
#define HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_HEAD_MAX 8192     /* bytes of request line and headers, with the empty line */
#define HTTP_HEADERS_MAX 64

enum http_find {
	HTTP_FOUND,     /* the head ends within these bytes */
	HTTP_PARTIAL,   /* it goes on */
	HTTP_MALFORMED  /* a bare CR, bare LF or NUL: answer 400 and close */
};

/*
 * Look for the end of a head in the next len bytes of a connection. *state is where the
 * last call stopped, 0 at the start of a head. With HTTP_FOUND, *used is how many
 * of these bytes belong to the head, and *state is 0 again. One empty line before the
 * request line is passed over (RFC 9112 2.2) and counts as part of the head.
 */
enum http_find http_head_find(const char *data, size_t len, uint8_t *state, size_t *used);

struct http_slice {
	const char *text;   /* not terminated; NULL when absent */
	size_t len;
};

enum http_method { HTTP_GET, HTTP_HEAD, HTTP_OTHER };

/* What a request says, as far as this server cares. Header names are matched without
 * case; values are without surrounding blanks. A header that may come once
 * keeps its first value. */
struct http_request {
	enum http_method method;
	struct http_slice method_text;
	uint8_t minor;                      /* 0 or 1: HTTP/1.0 or HTTP/1.1 (and above) */
	bool keep_alive;                    /* by version and Connection */
	bool upgrade;                       /* Connection has `upgrade` and Upgrade has `websocket`,
	                                     * and minor is 1 (RFC 9110 7.8) */
	bool body;                          /* a Content-Length that is not 0 */
	struct http_slice target;           /* as sent, without scheme and authority */
	struct http_slice path;             /* target without the query, not decoded; never empty */
	struct http_slice query;            /* after the `?`; NULL without */
	struct http_slice host;             /* the authority, if the target has one */
	struct http_slice origin;
	struct http_slice forwarded_for;    /* the LAST X-Forwarded-For header, whole */
	struct http_slice real_ip;          /* the LAST X-Real-IP header */
	struct http_slice websocket_key;
	struct http_slice websocket_version;
	struct http_slice headers;          /* their lines, all of them: see http_header_next */
	bool accepts_html;                  /* some Accept names text/html */
	bool accepts_json;                  /* some Accept names application/json */
};

/*
 * Parse a whole head of len bytes, as http_head_find delimited it. Returns 200, or the
 * status of the first refusal that is met, which also ends the connection:
 *   400  a malformed line or name, obs-fold, blank before the colon, control bytes in a
 *        value, two different Content-Length or one that is no number, Transfer-Encoding,
 *        two different Sec-WebSocket-Key or Host, and for GET and HEAD a target that is
 *        neither a path nor an http, https, ws or wss URL
 *   431  more than HTTP_HEADERS_MAX headers, or len over HTTP_HEAD_MAX
 *   505  a version other than HTTP/1.x
 * *request is meaningful after 200 only.
 */
int http_head_parse(const char *head, size_t len, struct http_request *request);

/* The headers of a request that was parsed, one by one: *rest is request->headers at first and gets
 * shorter. False at the end. */
bool http_header_next(struct http_slice *rest, struct http_slice *name, struct http_slice *value);

/* The reason phrase of a status that this server sends; empty for any other. */
const char *http_reason(int status);

#define HTTP_RESPONSE_HEAD_MAX 1024

struct http_response {
	int status;
	const char *type;        /* Content-Type; NULL: no such line */
	size_t length;           /* Content-Length: bytes of body */
	bool keep_alive;         /* else `Connection: close` is said */
	uint8_t minor;           /* the request's: HTTP/1.0 is told `Connection: keep-alive` */
	const char *headers;     /* further whole lines, each with CRLF; NULL: none */
};

/*
 * Write a response head with its empty line into out. Returns its size; headers must be short
 * enough for it to fit HTTP_RESPONSE_HEAD_MAX (else 0 is returned). Every response has
 * `X-Content-Type-Options: nosniff`. 101 has neither Content-Length nor Connection: close.
 */
size_t http_response_head(const struct http_response *response,
    char out[static HTTP_RESPONSE_HEAD_MAX]);

#endif
