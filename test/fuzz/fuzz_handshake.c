/*
 * fuzz_handshake.c - the WebSocket handshake, and every other answer to a request's head.
 *
 * The input is a head, after one byte that says what site it meets.
 */
#include "fuzz.h"

#include <bearssl.h>

#include "../../site.h"
#include "../../ws.h"

/* Sec-WebSocket-Accept by BearSSL's SHA-1 and a plain Base64. */
static void plain_accept(const char *key, char accept[WS_ACCEPT_SIZE + 1])
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	uint8_t digest[24] = { 0 };
	br_sha1_context sha1;
	unsigned bits, i;

	br_sha1_init(&sha1);
	br_sha1_update(&sha1, key, WS_KEY_SIZE);
	br_sha1_update(&sha1, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11", 36);
	br_sha1_out(&sha1, digest);
	for (i = 0; i < WS_ACCEPT_SIZE; i++) {
		bits = (unsigned)(digest[i * 6 / 8] << 8 | digest[i * 6 / 8 + 1]);
		accept[i] = digits[bits >> (10 - i * 6 % 8) & 63];
	}
	accept[WS_ACCEPT_SIZE - 1] = '=';
	accept[WS_ACCEPT_SIZE] = '\0';
}

/* A key is the only text of its 16 bytes. */
static bool plain_key(const char *key, size_t length)
{
	static const char alphabet[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t i;

	if (length != WS_KEY_SIZE || memcmp(key + 22, "==", 2) != 0)
		return false;
	for (i = 0; i < 22; i++) {
		if (key[i] == '\0' || strchr(alphabet, key[i]) == NULL)
			return false;
	}
	return strchr("AQgw", key[21]) != NULL;
}

static void check_key(const char *key, size_t length, bool *good, char accept[WS_ACCEPT_SIZE + 1])
{
	char *copy = exact_copy(key, length), *out = exact_copy(accept, WS_ACCEPT_SIZE);

	*good = ws_accept(copy, length, out);
	MUST(*good == plain_key(key, length));
	if (*good) {
		plain_accept(key, accept);
		MUST(memcmp(out, accept, WS_ACCEPT_SIZE) == 0);
	}
	free(copy);
	free(out);
}

/* Further header lines: whole ones, of printable characters only. */
static void check_lines(const char *lines)
{
	size_t length = strlen(lines), i;

	MUST(length == 0 || (length > 2 && strcmp(lines + length - 2, "\r\n") == 0));
	MUST(strstr(lines, "\r\n\r\n") == NULL);
	for (i = 0; i < length; i++) {
		if (lines[i] == '\r')
			MUST(lines[i + 1] == '\n');
		else if (lines[i] == '\n')
			MUST(i > 0 && lines[i - 1] == '\r');
		else
			MUST(lines[i] >= ' ' && lines[i] <= '~');
	}
}

static void check_upgrade(const struct http_request *request, const struct site_answer *answer,
    enum site_door door)
{
	char accept[WS_ACCEPT_SIZE + 1] = "";
	bool good = false, version = request->websocket_version.text != NULL &&
	    request->websocket_version.len == 2 &&
	    memcmp(request->websocket_version.text, "13", 2) == 0;

	if (request->websocket_key.text != NULL)
		check_key(request->websocket_key.text, request->websocket_key.len, &good, accept);
	MUST((answer->status == 101) == (request->upgrade && request->method == HTTP_GET &&
	    !request->body && version && good && door == SITE_OPEN));
	if (answer->status == 101)
		MUST(strstr(answer->headers, accept) != NULL && answer->length == 0);
}

static void check_answer(const struct http_request *request, const struct site_answer *answer,
    bool with_body)
{
	struct http_response response = { .status = answer->status, .type = answer->type,
		.length = answer->length, .keep_alive = answer->keep_alive,
		.minor = request->minor, .headers = answer->headers };
	char head[HTTP_RESPONSE_HEAD_MAX + 1];
	size_t length = http_response_head(&response, head), i;
	uint8_t sum = 0;

	check_lines(answer->headers);
	MUST(length > 0 && length <= HTTP_RESPONSE_HEAD_MAX);
	head[length] = '\0';
	MUST(strncmp(head, "HTTP/1.1 ", 9) == 0 && *http_reason(answer->status) != '\0');
	MUST(strlen(head) == length);
	MUST(strstr(head, "\r\n\r\n") == head + length - 4);
	head[length - 2] = '\0';
	check_lines(head);
	/* A WebSocket stays open whatever else its request says of the connection. */
	MUST(request->keep_alive || !answer->keep_alive || answer->status == 101);
	for (i = 0; with_body && i < answer->length; i++)
		sum = (uint8_t)(sum + answer->body[i]);
	(void)sum;      /* that it can be read was all */
}

/* Ask a site. */
static void ask(const char *head, size_t size, uint8_t how)
{
	struct site site = { .stats = (how & 1) == 0, .landing = (how & 2) == 0,
		.torrents = (how & 4) == 0, .metrics = (how & 4) != 0,
		.page = how & 4 ? "<p>" : NULL, .page_size = 3 };
	enum site_door door = (enum site_door)((how >> 3) % (SITE_MONITOR + 1));
	struct http_request request;
	struct site_answer answer;
	int status = http_head_parse(head, size, &request);

	memset(&answer, 0xa5, sizeof answer);
	if (status == 200) {
		site_answer(&site, &request, door, &answer);
		MUST(answer.show == SITE_READY || answer.length == 0);
		check_upgrade(&request, &answer, door);
	} else {
		request = (struct http_request){ .minor = 1 };
		site_refuse(status, &answer);
		MUST(answer.status == status && !answer.keep_alive);
	}
	check_answer(&request, &answer, request.method != HTTP_HEAD);
}

int fuzz_handshake(const uint8_t *data, size_t size)
{
	struct input input = { data, size };
	uint8_t how = input_byte(&input);
	char accept[WS_ACCEPT_SIZE + 1] = "", *head;
	bool good;

	check_key((const char *)input.at, input.left, &good, accept);
	head = exact_copy(input.at, input.left);
	ask(head, input.left, how);
	free(head);
	return 0;
}
