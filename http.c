/* http.c - HTTP/1 heads; sections of RFC 9112 unless another is named. */
#include "http.h"

#include <string.h>

#define ONES (~UINT64_C(0) / 0xFF)   /* 1 in each byte */
#define HIGH_BITS (ONES * 0x80)

/* Which bytes may stand in a token (RFC 9110 5.6.2), 16 a row. None above 0x7F may. */
static const bool token_bytes[256] = {
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	0, 1, 0, 1, 1, 1, 1, 1, 0, 0, 1, 1, 0, 1, 1, 0,   /* ! # $ % & ' * + - . */
	1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0,   /* 0 to 9 */
	0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,   /* A to O */
	1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 1, 1,   /* P to Z ^ _ */
	1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,   /* ` a to o */
	1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 1, 0, 1, 0,   /* p to z | ~ */
};

/* Does any byte of the word equal 0x7F or lie below 0x20? */
static bool word_has_control(uint64_t word)
{
	uint64_t delete = word ^ ONES * 0x7F;
	uint64_t below = (word - ONES * 0x20) & ~word;
	uint64_t zero = (delete - ONES) & ~delete;

	return ((below | zero) & HIGH_BITS) != 0;
}

/* Where the first control byte is that may not stand in a field's value (a tab may), or end. */
static const char *text_end(const char *at, const char *end)
{
	uint64_t word;

	for (; end - at >= 8; at += 8) {
		memcpy(&word, at, 8);
		if (word_has_control(word))
			break;
	}
	while (at < end && (*at == '\t' || ((uint8_t)*at >= 0x20 && *at != 0x7F)))
		at++;
	return at;
}

enum find_state {
	FIND_START,        /* of the head: an empty line here does not end it */
	FIND_LINE_START,
	FIND_LINE,
	FIND_LINE_CR,
	FIND_END_CR,       /* in the empty line that ends the head */
	FIND_END,
	FIND_BAD
};

static enum find_state find_step(enum find_state state, char byte)
{
	switch (state) {
	case FIND_LINE_CR:
		return byte == '\n' ? FIND_LINE_START : FIND_BAD;
	case FIND_END_CR:
		return byte == '\n' ? FIND_END : FIND_BAD;
	default:
		break;
	}
	if (byte == '\n' || byte == '\0')
		return FIND_BAD;
	if (byte != '\r')
		return FIND_LINE;
	return state == FIND_LINE_START ? FIND_END_CR : FIND_LINE_CR;
}

enum http_find http_head_find(const char *data, size_t len, uint8_t *state, size_t *used)
{
	const char *at = data, *end = data + len;
	enum find_state now = (enum find_state)*state;

	for (; at < end; at++) {
		if (now == FIND_LINE) {
			at = text_end(at, end);
			if (at == end)
				break;
		}
		now = find_step(now, *at);
		if (now == FIND_BAD)
			return HTTP_MALFORMED;
		if (now == FIND_END) {
			*state = FIND_START;
			*used = (size_t)(at + 1 - data);
			return HTTP_FOUND;
		}
	}
	*state = (uint8_t)now;
	return HTTP_PARTIAL;
}

static struct http_slice slice_between(const char *start, const char *end)
{
	return (struct http_slice){start, (size_t)(end - start)};
}

static struct http_slice slice_trim(struct http_slice slice)
{
	const char *start = slice.text, *end = start + slice.len;

	while (start < end && (*start == ' ' || *start == '\t'))
		start++;
	while (start < end && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	return slice_between(start, end);
}

/* Does slice begin with lower, whatever its case? */
static bool slice_begins(struct http_slice slice, const char *lower)
{
	size_t i;

	for (i = 0; lower[i] != '\0'; i++) {
		char byte;

		if (i == slice.len)
			return false;
		byte = slice.text[i];
		if (byte >= 'A' && byte <= 'Z')
			byte = (char)(byte + ('a' - 'A'));
		if (byte != lower[i])
			return false;
	}
	return true;
}

static bool slice_is(struct http_slice slice, const char *lower)
{
	return slice.len == strlen(lower) && slice_begins(slice, lower);
}

/* Keep the first value of a field; a second one must be equal. */
static bool slice_keep(struct http_slice *kept, struct http_slice value)
{
	if (kept->text == NULL) {
		*kept = value;
		return true;
	}
	return kept->len == value.len && memcmp(kept->text, value.text, value.len) == 0;
}

/* Take the next element that is not empty off a list (RFC 9110 5.6.1). */
static bool list_next(struct http_slice *list, struct http_slice *element)
{
	while (list->len > 0) {
		const char *end = list->text + list->len;
		const char *comma = memchr(list->text, ',', list->len);

		*element = slice_trim(slice_between(list->text, comma == NULL ? end : comma));
		*list = slice_between(comma == NULL ? end : comma + 1, end);
		if (element->len > 0)
			return true;
	}
	return false;
}

/* What is being parsed, and what is not yet known for good. */
struct head {
	const char *at;
	const char *end;
	struct http_request *request;
	struct http_slice authority;        /* of a target in absolute form */
	struct http_slice content_length;   /* without leading zeros */
	bool close;                         /* Connection names these */
	bool keep_alive;
	bool upgrade;
	bool websocket;                     /* Upgrade names it */
};

enum header {
	HEADER_OTHER,
	HEADER_ACCEPT,
	HEADER_CONNECTION,
	HEADER_CONTENT_LENGTH,
	HEADER_FORWARDED_FOR,
	HEADER_HOST,
	HEADER_KEY,
	HEADER_ORIGIN,
	HEADER_REAL_IP,
	HEADER_TRANSFER_ENCODING,
	HEADER_UPGRADE,
	HEADER_VERSION
};

/* The headers that matter, by the length of their names. Text in place, not pointers: it
 * then needs no relocation. */
static const struct known_header {
	char name[22];
	uint8_t header;
} known_headers[][2] = {
	[4] = {{"host", HEADER_HOST}},
	[6] = {{"accept", HEADER_ACCEPT}, {"origin", HEADER_ORIGIN}},
	[7] = {{"upgrade", HEADER_UPGRADE}},
	[9] = {{"x-real-ip", HEADER_REAL_IP}},
	[10] = {{"connection", HEADER_CONNECTION}},
	[14] = {{"content-length", HEADER_CONTENT_LENGTH}},
	[15] = {{"x-forwarded-for", HEADER_FORWARDED_FOR}},
	[17] = {{"sec-websocket-key", HEADER_KEY}, {"transfer-encoding", HEADER_TRANSFER_ENCODING}},
	[21] = {{"sec-websocket-version", HEADER_VERSION}}
};

static enum header header_identify(struct http_slice name)
{
	const struct known_header *known;

	if (name.len >= sizeof known_headers / sizeof known_headers[0])
		return HEADER_OTHER;
	known = known_headers[name.len];
	if (slice_is(name, known[0].name))
		return (enum header)known[0].header;
	if (slice_is(name, known[1].name))
		return (enum header)known[1].header;
	return HEADER_OTHER;
}

static void connection_apply(struct head *head, struct http_slice value)
{
	struct http_slice option;

	while (list_next(&value, &option)) {
		head->close |= slice_is(option, "close");
		head->keep_alive |= slice_is(option, "keep-alive");
		head->upgrade |= slice_is(option, "upgrade");
	}
}

static void upgrade_apply(struct head *head, struct http_slice value)
{
	struct http_slice protocol;

	while (list_next(&value, &protocol))
		head->websocket |= slice_is(protocol, "websocket");
}

static void accept_apply(struct http_request *request, struct http_slice value)
{
	struct http_slice range;

	while (list_next(&value, &range)) {
		const char *parameters = memchr(range.text, ';', range.len);

		if (parameters != NULL)
			range = slice_trim(slice_between(range.text, parameters));
		request->accepts_html |= slice_is(range, "text/html");
		request->accepts_json |= slice_is(range, "application/json");
	}
}

/* Without its leading zeros a number of any size can be compared as text. */
static bool content_length_apply(struct head *head, struct http_slice value)
{
	const char *start = value.text, *end = start + value.len, *at;

	for (at = start; at < end; at++) {
		if (*at < '0' || *at > '9')
			return false;
	}
	while (start < end && *start == '0')
		start++;
	return value.len > 0 && slice_keep(&head->content_length, slice_between(start, end));
}

/* Returns false if the request has to be refused for this header. */
static bool header_apply(struct head *head, enum header header, struct http_slice value)
{
	struct http_request *request = head->request;

	switch (header) {
	case HEADER_ACCEPT:
		accept_apply(request, value);
		break;
	case HEADER_CONNECTION:
		connection_apply(head, value);
		break;
	case HEADER_CONTENT_LENGTH:
		return content_length_apply(head, value);
	case HEADER_FORWARDED_FOR:
		request->forwarded_for = value;
		break;
	case HEADER_HOST:
		return slice_keep(&request->host, value);
	case HEADER_KEY:
		return slice_keep(&request->websocket_key, value);
	case HEADER_ORIGIN:
		(void)slice_keep(&request->origin, value);
		break;
	case HEADER_REAL_IP:
		request->real_ip = value;
		break;
	case HEADER_TRANSFER_ENCODING:
		return false;
	case HEADER_UPGRADE:
		upgrade_apply(head, value);
		break;
	case HEADER_VERSION:
		(void)slice_keep(&request->websocket_version, value);
		break;
	case HEADER_OTHER:
		break;
	}
	return true;
}

static bool text_take(struct head *head, const char *text)
{
	size_t len = strlen(text);

	if ((size_t)(head->end - head->at) < len || memcmp(head->at, text, len) != 0)
		return false;
	head->at += len;
	return true;
}

static struct http_slice token_take(struct head *head)
{
	const char *start = head->at;

	while (head->at < head->end && token_bytes[(uint8_t)*head->at])
		head->at++;
	return slice_between(start, head->at);
}

static struct http_slice target_take(struct head *head)
{
	const char *start = head->at;

	while (head->at < head->end && *head->at > ' ' && (uint8_t)*head->at < 0x7F)
		head->at++;
	return slice_between(start, head->at);
}

/* HTTP-version (2.3) and the end of the line */
static int version_parse(struct head *head)
{
	char major, minor;

	if (!text_take(head, "HTTP/") || head->end - head->at < 3)
		return 400;
	major = head->at[0];
	minor = head->at[2];
	if (major < '0' || major > '9' || head->at[1] != '.' || minor < '0' || minor > '9')
		return 400;
	head->at += 3;
	if (!text_take(head, "\r\n"))
		return 400;
	head->request->minor = minor != '0';
	return major == '1' ? 200 : 505;
}

/* Cut scheme and authority off a target in absolute form (3.2.2). */
static bool authority_cut(struct head *head, struct http_slice *target)
{
	static const char schemes[][9] = {"http://", "https://", "ws://", "wss://"};
	const char *end = target->text + target->len, *start, *at;
	size_t i;

	for (i = 0; i < 4 && !slice_begins(*target, schemes[i]); i++)
		continue;
	if (i == 4)
		return false;
	start = at = target->text + strlen(schemes[i]);
	while (at < end && *at != '/' && *at != '?')
		at++;
	if (at == start)
		return false;
	head->authority = slice_between(start, at);
	*target = at == end ? (struct http_slice){"/", 1} : slice_between(at, end);
	return true;
}

/* The other forms of a target (3.2) belong to other methods, which are refused anyway. */
static bool target_apply(struct head *head, struct http_slice target)
{
	struct http_request *request = head->request;
	const char *mark;

	if (target.text[0] != '/' && !authority_cut(head, &target) &&
	    request->method != HTTP_OTHER)
		return false;
	request->target = request->path = target;
	mark = memchr(target.text, '?', target.len);
	if (mark != NULL) {
		request->path = slice_between(target.text, mark);
		request->query = slice_between(mark + 1, target.text + target.len);
	}
	if (request->path.len == 0)
		request->path = (struct http_slice){"/", 1};
	return true;
}

static int request_line_parse(struct head *head)
{
	struct http_slice method = token_take(head), target;
	int status;

	if (method.len == 0 || !text_take(head, " "))
		return 400;
	target = target_take(head);
	if (target.len == 0 || !text_take(head, " "))
		return 400;
	status = version_parse(head);
	if (status != 200)
		return status;
	head->request->method_text = method;
	head->request->method = HTTP_OTHER;
	if (method.len == 3 && memcmp(method.text, "GET", 3) == 0)
		head->request->method = HTTP_GET;
	if (method.len == 4 && memcmp(method.text, "HEAD", 4) == 0)
		head->request->method = HTTP_HEAD;
	return target_apply(head, target) ? 200 : 400;
}

/* A blank before the name (obs-fold, 5.2) or before the colon is no byte of a token. */
static int header_line_parse(struct head *head)
{
	struct http_slice name = token_take(head), value;
	const char *start;

	if (name.len == 0 || !text_take(head, ":"))
		return 400;
	start = head->at;
	head->at = text_end(start, head->end);
	value = slice_between(start, head->at);
	if (!text_take(head, "\r\n"))
		return 400;
	return header_apply(head, header_identify(name), slice_trim(value)) ? 200 : 400;
}

static void request_conclude(const struct head *head)
{
	struct http_request *request = head->request;

	request->keep_alive = !head->close && (request->minor > 0 || head->keep_alive);
	request->upgrade = request->minor > 0 && head->upgrade && head->websocket;
	request->body = head->content_length.len > 0;
	if (head->authority.text != NULL)
		request->host = head->authority;
}

int http_head_parse(const char *head, size_t len, struct http_request *request)
{
	struct head parsed = {.at = head, .end = head + len, .request = request};
	unsigned headers = 0;
	int status;

	if (len > HTTP_HEAD_MAX)
		return 431;
	*request = (struct http_request){0};
	(void)text_take(&parsed, "\r\n");
	status = request_line_parse(&parsed);
	request->headers.text = parsed.at;
	while (status == 200 && !text_take(&parsed, "\r\n"))
		status = headers++ < HTTP_HEADERS_MAX ? header_line_parse(&parsed) : 431;
	if (status == 200 && parsed.at != parsed.end)
		status = 400;
	if (status == 200) {
		/* All but the empty line. */
		request->headers.len = (size_t)(parsed.at - request->headers.text) - 2;
		request_conclude(&parsed);
	}
	return status;
}

bool http_header_next(struct http_slice *rest, struct http_slice *name, struct http_slice *value)
{
	struct head lines;
	const char *start;

	if (rest->len == 0)
		return false;
	lines = (struct head){.at = rest->text, .end = rest->text + rest->len};
	*name = token_take(&lines);
	(void)text_take(&lines, ":");
	start = lines.at;
	lines.at = text_end(start, lines.end);
	*value = slice_trim(slice_between(start, lines.at));
	(void)text_take(&lines, "\r\n");
	*rest = slice_between(lines.at, lines.end);
	return true;
}

const char *http_reason(int status)
{
	switch (status) {
	case 101: return "Switching Protocols";
	case 200: return "OK";
	case 400: return "Bad Request";
	case 308: return "Permanent Redirect";
	case 403: return "Forbidden";
	case 404: return "Not Found";
	case 405: return "Method Not Allowed";
	case 408: return "Request Timeout";
	case 413: return "Content Too Large";
	case 426: return "Upgrade Required";
	case 429: return "Too Many Requests";
	case 431: return "Request Header Fields Too Large";
	case 500: return "Internal Server Error";
	case 503: return "Service Unavailable";
	case 505: return "HTTP Version Not Supported";
	}
	return "";
}

/* Text that is being put together; once something did not fit, nothing more is added. */
struct output {
	char *text;
	size_t len;
	bool full;
};

static void output_text(struct output *output, const char *text)
{
	size_t len = strlen(text);

	output->full |= len > HTTP_RESPONSE_HEAD_MAX - output->len;
	if (output->full)
		return;
	memcpy(output->text + output->len, text, len);
	output->len += len;
}

static void output_number(struct output *output, size_t number)
{
	char digits[21];   /* of 2^64, and NUL */
	char *at = digits + sizeof digits - 1;

	*at = '\0';
	do {
		*--at = (char)('0' + number % 10);
		number /= 10;
	} while (number > 0);
	output_text(output, at);
}

static void output_line(struct output *output, const char *name, const char *value)
{
	output_text(output, name);
	output_text(output, value);
	output_text(output, "\r\n");
}

size_t http_response_head(const struct http_response *response,
    char out[static HTTP_RESPONSE_HEAD_MAX])
{
	struct output output = {.text = out};
	bool switching = response->status == 101;

	output_text(&output, "HTTP/1.1 ");
	output_number(&output, (size_t)response->status);
	output_line(&output, " ", http_reason(response->status));
	if (response->type != NULL)
		output_line(&output, "Content-Type: ", response->type);
	if (!switching) {
		output_text(&output, "Content-Length: ");
		output_number(&output, response->length);
		output_text(&output, "\r\n");
	}
	if (!switching && !response->keep_alive)
		output_line(&output, "Connection: ", "close");
	if (!switching && response->keep_alive && response->minor == 0)
		output_line(&output, "Connection: ", "keep-alive");
	output_line(&output, "X-Content-Type-Options: ", "nosniff");
	if (response->headers != NULL)
		output_text(&output, response->headers);
	output_text(&output, "\r\n");
	return output.full ? 0 : output.len;
}
