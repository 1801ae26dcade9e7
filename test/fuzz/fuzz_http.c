/*
 * fuzz_http.c - request heads: found at any split, and parsed as a plain reading of RFC 9112 does.
 */
#include "fuzz.h"

#include <strings.h>

#include "../../http.h"

/* -- the head's end ---------------------------------------------------------------------- */

struct found {
	enum http_find result;
	size_t used;
};

/* Look for the end in pieces, whose sizes the seed tells; 0: in one. */
static struct found find_split(const uint8_t *data, size_t size, unsigned seed)
{
	struct found found = { HTTP_PARTIAL, 0 };
	uint8_t state = 0;
	size_t at = 0, used;

	while (at < size && found.result == HTTP_PARTIAL) {
		size_t part = seed == 0 ? size : 1 + seed % 13;
		char *copy;

		if (part > size - at)
			part = size - at;
		copy = exact_copy(data + at, part);
		used = part;
		found.result = http_head_find(copy, part, &state, &used);
		free(copy);
		MUST(used <= part);
		MUST(found.result != HTTP_FOUND || (used > 0 && state == 0));
		at += found.result == HTTP_FOUND ? used : part;
		seed = seed == 0 ? 0 : seed * 1103515245 + 12345;
		seed += seed == 0;
	}
	found.used = at;
	return found;
}

/* Where a head ends by its definition: the first empty line but one that comes first of all. */
static struct found find_plain(const uint8_t *data, size_t size)
{
	size_t line = 0, at;

	for (at = 0; at < size; at++) {
		if (data[at] == '\n' || data[at] == '\0')
			return (struct found){ HTTP_MALFORMED, 0 };
		if (data[at] != '\r')
			continue;
		if (at + 1 == size)
			break;
		if (data[at + 1] != '\n')
			return (struct found){ HTTP_MALFORMED, 0 };
		if (line == at && at > 0)
			return (struct found){ HTTP_FOUND, at + 2 };
		line = at + 2;
		at++;
	}
	return (struct found){ HTTP_PARTIAL, size };
}

static struct found check_find(const uint8_t *data, size_t size)
{
	struct found plain = find_plain(data, size), split;
	unsigned seed;

	for (seed = 0; seed < 3; seed++) {
		split = find_split(data, size, seed * 7);
		MUST(split.result == plain.result);
		MUST(plain.result != HTTP_FOUND || split.used == plain.used);
	}
	return plain;
}

/* -- the head's content ------------------------------------------------------------------ */

/* A head read the plain way. */
struct plain {
	bool good;
	bool close, keep, upgrade, websocket, html, json, body;
	char method[16];
	char *target, *host, *key, *version, *origin, *forwarded, *real, *length;
};

static bool is_token(const char *text)
{
	const char *at;

	for (at = text; *at != '\0'; at++) {
		if (*at <= ' ' || *at >= 0x7f || strchr("\"(),/:;<=>?@[\\]{}", *at) != NULL)
			return false;
	}
	return at > text;
}

static char *trimmed(char *text)
{
	char *end = text + strlen(text);

	while (end > text && (end[-1] == ' ' || end[-1] == '\t'))
		*--end = '\0';
	return text + strspn(text, " \t");
}

/* Does a list have that element, up to its `;` if parameters are to be cut off? */
static bool list_has(const char *list, const char *wanted, bool parameters)
{
	char *copy = text_copy(list, strlen(list)), *rest = copy, *element;
	bool has = false;

	while ((element = strsep(&rest, ",")) != NULL) {
		element = trimmed(element);
		if (parameters && strchr(element, ';') != NULL) {
			*strchr(element, ';') = '\0';
			element = trimmed(element);
		}
		has |= strcasecmp(element, wanted) == 0;
	}
	free(copy);
	return has;
}

/* Keep a value that may come again only if it is the same. */
static bool keep(char **kept, char *value)
{
	if (*kept == NULL)
		*kept = value;
	return strcmp(*kept, value) == 0;
}

static bool plain_length(struct plain *plain, char *value)
{
	if (*value == '\0' || strspn(value, "0123456789") != strlen(value))
		return false;
	value += strspn(value, "0");
	plain->body |= *value != '\0';
	return keep(&plain->length, value);
}

static void plain_lists(struct plain *plain, const char *name, const char *value)
{
	if (strcasecmp(name, "connection") == 0) {
		plain->close |= list_has(value, "close", false);
		plain->keep |= list_has(value, "keep-alive", false);
		plain->upgrade |= list_has(value, "upgrade", false);
	} else if (strcasecmp(name, "upgrade") == 0) {
		plain->websocket |= list_has(value, "websocket", false);
	} else if (strcasecmp(name, "accept") == 0) {
		plain->html |= list_has(value, "text/html", true);
		plain->json |= list_has(value, "application/json", true);
	}
}

static bool plain_header(struct plain *plain, char *line)
{
	char *colon = strchr(line, ':'), *value, *at;

	if (colon == NULL)
		return false;
	*colon = '\0';
	value = trimmed(colon + 1);
	for (at = colon + 1; *at != '\0'; at++) {
		if (((uint8_t)*at < ' ' && *at != '\t') || *at == 0x7f)
			return false;
	}
	plain_lists(plain, line, value);
	if (strcasecmp(line, "transfer-encoding") == 0 ||
	    (strcasecmp(line, "host") == 0 && !keep(&plain->host, value)) ||
	    (strcasecmp(line, "sec-websocket-key") == 0 && !keep(&plain->key, value)) ||
	    (strcasecmp(line, "content-length") == 0 && !plain_length(plain, value)))
		return false;
	if (strcasecmp(line, "sec-websocket-version") == 0)
		(void)keep(&plain->version, value);
	if (strcasecmp(line, "origin") == 0)
		(void)keep(&plain->origin, value);
	if (strcasecmp(line, "x-forwarded-for") == 0)
		plain->forwarded = value;
	if (strcasecmp(line, "x-real-ip") == 0)
		plain->real = value;
	return is_token(line);
}

static bool plain_request_line(struct plain *plain, char *line)
{
	char *method = strsep(&line, " "), *target = strsep(&line, " ");
	const char *version = line, *at;

	if (version == NULL || !is_token(method) || *target == '\0')
		return false;
	for (at = target; *at != '\0'; at++) {
		if (*at <= ' ' || *at >= 0x7f)
			return false;
	}
	if (strlen(version) != 8 || strncmp(version, "HTTP/1.", 7) != 0 || version[7] < '0' ||
	    version[7] > '9')
		return false;
	snprintf(plain->method, sizeof plain->method, "%s %c", strlen(method) < 8 ? method : "LONG",
	    version[7] == '0' ? '0' : '1');
	plain->target = target;
	return true;
}

/* The authority of an absolute target, cut off it; false if the form is none that is served. */
static bool plain_target(struct plain *plain)
{
	static const char *const schemes[] = { "http://", "https://", "ws://", "wss://" };
	bool ours = strncmp(plain->method, "GET ", 4) == 0 ||
	    strncmp(plain->method, "HEAD ", 5) == 0;
	size_t length = 0, i;
	char *start;

	if (plain->target[0] == '/')
		return true;
	for (i = 0; i < 4; i++) {
		length = strlen(schemes[i]);
		if (strncasecmp(plain->target, schemes[i], length) == 0)
			break;
	}
	if (i == 4 || strcspn(plain->target + length, "/?") == 0)
		return !ours;
	/* The authority moves to where the scheme was, so that it can be terminated. */
	start = plain->target + length;
	length = strcspn(start, "/?");
	plain->host = memmove(plain->target, start, length);
	plain->host[length] = '\0';
	plain->target = start + length;
	return true;
}

/* Read a head as lines; text is taken apart. */
static void plain_read(struct plain *plain, char *text)
{
	char *line, *rest = text;
	unsigned headers = 0;

	if (strncmp(rest, "\r\n", 2) == 0)
		rest += 2;
	for (line = rest; (rest = strstr(line, "\r\n")) != NULL; line = rest + 2) {
		*rest = '\0';
		if (plain->target == NULL) {
			if (!plain_request_line(plain, line))
				return;
		} else if (*line == '\0') {
			plain->good = rest[2] == '\0' && plain_target(plain);
			return;
		} else if (headers++ == HTTP_HEADERS_MAX || !plain_header(plain, line)) {
			return;
		}
	}
}

/* -- the two compared -------------------------------------------------------------------- */

static void check_slice(struct http_slice slice, const char *plain, const char *head, size_t size)
{
	MUST((slice.text != NULL) == (plain != NULL));
	if (plain == NULL)
		return;
	MUST(slice.len == strlen(plain) && memcmp(slice.text, plain, slice.len) == 0);
	MUST(lies_in(slice.text, slice.len, head, size));
}

static void check_target(const struct http_request *request, const char *plain, const char *head,
    size_t size)
{
	const char *mark = strchr(plain, '?');

	if (*plain == '\0') {
		MUST(request->target.len == 1 && request->target.text[0] == '/');
		MUST(request->path.len == 1 && request->query.text == NULL);
		return;
	}
	check_slice(request->target, plain, head, size);
	check_slice(request->query, mark != NULL ? mark + 1 : NULL, head, size);
	MUST(request->path.len > 0);
	if (plain[0] == '?')
		MUST(request->path.len == 1 && request->path.text[0] == '/');
	else
		MUST(request->path.len == strcspn(plain, "?") &&
		    memcmp(request->path.text, plain, request->path.len) == 0);
}

static void check_request(const struct http_request *request, const struct plain *plain,
    const char *head, size_t size)
{
	bool newer = plain->method[strlen(plain->method) - 1] == '1';

	MUST((request->method == HTTP_GET) == (strncmp(plain->method, "GET ", 4) == 0));
	MUST((request->method == HTTP_HEAD) == (strncmp(plain->method, "HEAD ", 5) == 0));
	MUST(request->minor == newer);
	MUST(request->keep_alive == (!plain->close && (newer || plain->keep)));
	MUST(request->upgrade == (newer && plain->upgrade && plain->websocket));
	MUST(request->body == plain->body);
	MUST(request->accepts_html == plain->html && request->accepts_json == plain->json);
	check_target(request, plain->target, head, size);
	check_slice(request->host, plain->host, head, size);
	check_slice(request->origin, plain->origin, head, size);
	check_slice(request->forwarded_for, plain->forwarded, head, size);
	check_slice(request->real_ip, plain->real, head, size);
	check_slice(request->websocket_key, plain->key, head, size);
	check_slice(request->websocket_version, plain->version, head, size);
}

static void check_parse(const uint8_t *data, size_t size)
{
	struct http_request request;
	struct plain plain = { 0 };
	char *head = exact_copy(data, size), *text = text_copy(data, size);
	int status;

	memset(&request, 0xa5, sizeof request);
	status = http_head_parse(head, size, &request);
	MUST(status == 200 || status == 400 || status == 431 || status == 505);
	plain_read(&plain, text);
	if (memchr(data, 0, size) != NULL)
		MUST(status != 200);
	else
		MUST((status == 200) == (plain.good && size <= HTTP_HEAD_MAX));
	if (status == 200)
		check_request(&request, &plain, head, size);
	free(head);
	free(text);
}

int fuzz_http(const uint8_t *data, size_t size)
{
	struct found found = check_find(data, size);

	/* A parser may be given anything, though its caller gives it found heads. */
	check_parse(data, size);
	if (found.result == HTTP_FOUND)
		check_parse(data, found.used);
	return 0;
}
