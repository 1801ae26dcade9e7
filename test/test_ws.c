/* test_ws.c - the handshake's key, every frame head at every cut, masks, closes, UTF-8. */
#include "test.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "../ws.h"
#include "guard.h"

#define COUNT(array) (sizeof (array) / sizeof (array)[0])

/* What all of the following relies on: one byte past a guarded copy ends the program. */
static void guard_holds(void)
{
	size_t len;

	for (len = 0; len <= 3; len++) {
		volatile const char *copy = guard_copy("abc", len);
		int status = 0;
		pid_t child = fork();

		if (child == 0) {
			char byte;

			signal(SIGSEGV, SIG_DFL);
			signal(SIGBUS, SIG_DFL);
			byte = copy[len];
			_exit(byte == 0 ? 0 : 1);
		}
		CHECK(child > 0 && waitpid(child, &status, 0) == child && WIFSIGNALED(status));
		CHECK(len == 0 || copy[len - 1] == "abc"[len - 1]);
		guard_free((void *)(uintptr_t)copy, len);
	}
}

static bool accept_try(const char *key, size_t len, char accept[static WS_ACCEPT_SIZE])
{
	char *copy = guard_copy(key, len), *out = guard_alloc(WS_ACCEPT_SIZE);
	bool ok;

	memset(out, '#', WS_ACCEPT_SIZE);
	ok = ws_accept(copy, len, out);
	memcpy(accept, out, WS_ACCEPT_SIZE);
	guard_free(copy, len);
	guard_free(out, WS_ACCEPT_SIZE);
	return ok;
}

static bool accept_refused(const char *key, size_t len)
{
	char accept[WS_ACCEPT_SIZE];

	return !accept_try(key, len, accept) &&
	    memcmp(accept, "############################", WS_ACCEPT_SIZE) == 0;
}

static void accept_values(void)
{
	static const char *const vectors[][2] = {
		{"dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="},   /* 1.3 */
		{"AAAAAAAAAAAAAAAAAAAAAA==", "ICX+Yqv66kxgM0FcWaLWlFLwTAI="},
		{"/////////////////////w==", "XXpj4jYzLM2yUE0C7TIgMwTQh2g="},
		{"AAECAwQFBgcICQoLDA0ODw==", "Bz3qJYTGdOe8gUSpLosEdiLKDrk="}
	};
	char accept[WS_ACCEPT_SIZE];
	size_t i;

	for (i = 0; i < COUNT(vectors); i++) {
		CHECK(accept_try(vectors[i][0], WS_KEY_SIZE, accept));
		CHECK(memcmp(accept, vectors[i][1], WS_ACCEPT_SIZE) == 0);
	}
}

/* Each byte in each place of a key. */
static void accept_refusals(void)
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	static const char key[] = "dGhlIHNhbXBsZSBub25jZQ==";
	char long_key[64];
	size_t i;
	int byte;

	for (i = 0; i < WS_KEY_SIZE; i++) {
		for (byte = 0; byte < 256; byte++) {
			char changed[WS_KEY_SIZE], accept[WS_ACCEPT_SIZE];
			bool good = byte != '\0' && strchr(digits, byte) != NULL;

			if (i == 21)
				good = byte != '\0' && strchr("AQgw", byte) != NULL;
			if (i >= 22)
				good = byte == '=';
			memcpy(changed, key, WS_KEY_SIZE);
			changed[i] = (char)byte;
			CHECK(good ? accept_try(changed, WS_KEY_SIZE, accept) :
			    accept_refused(changed, WS_KEY_SIZE));
		}
	}
	memset(long_key, 'A', sizeof long_key);
	memcpy(long_key, key, WS_KEY_SIZE);
	for (i = 0; i <= sizeof long_key; i++)
		CHECK(i == WS_KEY_SIZE || accept_refused(long_key, i));
	CHECK(accept_refused("dGhlIHNhbXBsZSBub25jZQ=", 23));
	CHECK(accept_refused("dGhlIHNhbXBsZSBub25jZTE=", 24));   /* 17 bytes */
	CHECK(accept_refused("dGhlIHNhbXBsZSBub25jZTEy", 24));   /* 18 bytes */
	CHECK(accept_refused(" dGhlIHNhbXBsZSBub25jZQ=", 24));
}

/* A head as a client might send it, and what is to be said of it. */
struct head_case {
	uint8_t bytes[WS_HEAD_MAX];
	size_t size;
	size_t bad_from;   /* how many bytes show that it is bad; 0: none do */
	uint64_t length;
};

static size_t head_bad_from(const struct head_case *head)
{
	unsigned opcode = head->bytes[0] % 16, code = head->bytes[1] % 128;

	if (head->bytes[0] % 128 / 16 != 0)
		return 1;
	if ((opcode > 2 && opcode < 8) || opcode > 10)
		return 1;
	if (opcode >= 8 && head->bytes[0] < 128)
		return 1;
	if (head->bytes[1] < 128 || (opcode >= 8 && code > 125))
		return 2;
	if (code == 127 && head->length > INT64_MAX)
		return 3;
	if (code == 126 && head->length < 126)
		return 4;
	return code == 127 && head->length < 65536 ? 8 : 0;
}

static struct head_case head_make(int first, int second, uint64_t length)
{
	struct head_case head = {.bytes = {(uint8_t)first, (uint8_t)second}};
	size_t extended = second % 128 == 126 ? 2 : second % 128 == 127 ? 8 : 0, i;

	head.size = 2 + extended + 4;
	head.length = extended == 0 ? (uint64_t)second % 128 : length;
	for (i = 0; i < extended; i++)
		head.bytes[2 + i] = (uint8_t)(length >> 8 * (extended - 1 - i));
	memcpy(head.bytes + 2 + extended, "\x37\xfa\x21\x3d", 4);
	head.bad_from = head_bad_from(&head);
	return head;
}

/* guarded[n] is n bytes that end at a guard page */
static bool head_holds_at(const struct head_case *head, size_t cut, uint8_t *guarded[])
{
	uint8_t *data = guarded[cut];
	enum ws_result result;
	struct ws_frame frame;

	memcpy(data, head->bytes, cut < head->size ? cut : head->size);
	if (ws_head_size(data, cut) != (cut < 2 ? 2 : head->size))
		return false;
	result = ws_frame_read(data, cut, &frame);
	if (head->bad_from != 0 && cut >= head->bad_from)
		return result == WS_BAD;
	if (cut < head->size)
		return result == WS_PARTIAL;
	return result == WS_WHOLE && frame.length == head->length && frame.head == head->size &&
	    frame.opcode == head->bytes[0] % 16 && frame.fin == (head->bytes[0] >= 128) &&
	    memcmp(frame.mask, "\x37\xfa\x21\x3d", 4) == 0;
}

static bool head_holds(const struct head_case *head, uint8_t *guarded[])
{
	size_t cut;

	for (cut = 0; cut <= WS_HEAD_MAX + 5; cut++) {
		if (!head_holds_at(head, cut, guarded))
			return false;
	}
	return true;
}

/* Every pair of first bytes, with lengths on both sides of every bound, at every cut. */
static void frame_heads(void)
{
	static const uint64_t lengths[] = {
		0, 1, 125, 126, 127, 128, 255, 256, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x10001,
		0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x100000000, 0xFFFFFFFFFFFFFF,
		0x100000000000000, INT64_MAX, (uint64_t)INT64_MAX + 1, UINT64_MAX
	};
	uint8_t *guarded[WS_HEAD_MAX + 6];
	int first, second;
	size_t i;

	for (i = 0; i < COUNT(guarded); i++)
		guarded[i] = guard_alloc(i);
	for (first = 0; first < 256; first++) {
		for (second = 0; second < 256; second++) {
			for (i = 0; i < COUNT(lengths); i++) {
				struct head_case head;

				if ((second % 128 < 126 && i > 0) ||
				    (second % 128 == 126 && lengths[i] > 0xFFFF))
					break;
				head = head_make(first, second, lengths[i]);
				CHECK(head_holds(&head, guarded));
			}
		}
	}
	for (i = 0; i < COUNT(guarded); i++)
		guard_free(guarded[i], i);
}

/* What the sweep holds of some heads, said without its help: 5.2, 5.5, 5.7. */
static const struct {
	const char *bytes;
	size_t len;
	enum ws_result result;
	uint64_t length;
} frame_cases[] = {
	{"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", 11, WS_WHOLE, 5},
	{"\x81\x05Hello", 7, WS_BAD, 0},
	{"\x01\x83\x37\xfa\x21\x3d", 6, WS_WHOLE, 3},
	{"\x80\x82\x37\xfa\x21\x3d", 6, WS_WHOLE, 2},
	{"\x00\x82\x37\xfa\x21\x3d", 6, WS_WHOLE, 2},
	{"\x89\x85\x37\xfa\x21\x3d", 6, WS_WHOLE, 5},
	{"\x8a\xfd\x37\xfa\x21\x3d", 6, WS_WHOLE, 125},
	{"\x88\x80\x37\xfa\x21\x3d", 6, WS_WHOLE, 0},
	{"\x82\xfe\x01\x00\x37\xfa\x21\x3d", 8, WS_WHOLE, 256},
	{"\x82\xff\0\0\0\0\0\x01\0\0\x37\xfa\x21\x3d", 14, WS_WHOLE, 65536},
	{"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x37\xfa\x21\x3d", 14,
	 WS_WHOLE, INT64_MAX},
	{"\x82\xff\x80", 3, WS_BAD, 0},
	{"\x82\xff\0\0\0\0\0\0", 8, WS_BAD, 0},
	{"\x82\xfe\0\x7d", 4, WS_BAD, 0},
	{"\x82\xfe\0", 3, WS_PARTIAL, 0},
	{"\x88\xfe", 2, WS_BAD, 0},   /* over-long close */
	{"\x09", 1, WS_BAD, 0},       /* ping without FIN */
	{"\xc1", 1, WS_BAD, 0},       /* RSV1 */
	{"\xa1", 1, WS_BAD, 0},       /* RSV2 */
	{"\x91", 1, WS_BAD, 0},       /* RSV3 */
	{"\x83", 1, WS_BAD, 0},
	{"\x8b", 1, WS_BAD, 0},
	{"", 0, WS_PARTIAL, 0}
};

static void frame_examples(void)
{
	size_t i;

	for (i = 0; i < COUNT(frame_cases); i++) {
		uint8_t *data = guard_copy(frame_cases[i].bytes, frame_cases[i].len);
		struct ws_frame frame;
		enum ws_result result = ws_frame_read(data, frame_cases[i].len, &frame);

		CHECK(result == frame_cases[i].result);
		CHECK(result != WS_WHOLE || frame.length == frame_cases[i].length);
		guard_free(data, frame_cases[i].len);
	}
}

static void server_heads(void)
{
	static const struct {
		enum ws_opcode opcode;
		uint64_t length;
		const char *bytes;
		size_t size;
	} cases[] = {
		{WS_CONTINUATION, 1, "\x80\x01", 2},
		{WS_TEXT, 0, "\x81\x00", 2},
		{WS_TEXT, 5, "\x81\x05", 2},
		{WS_BINARY, 125, "\x82\x7d", 2},
		{WS_TEXT, 126, "\x81\x7e\x00\x7e", 4},
		{WS_TEXT, 127, "\x81\x7e\x00\x7f", 4},
		{WS_BINARY, 256, "\x82\x7e\x01\x00", 4},
		{WS_TEXT, 65535, "\x81\x7e\xff\xff", 4},
		{WS_BINARY, 65536, "\x82\x7f\0\0\0\0\0\x01\0\0", 10},
		{WS_TEXT, 0x0123456789ABCDEF, "\x81\x7f\x01\x23\x45\x67\x89\xab\xcd\xef", 10},
		{WS_TEXT, INT64_MAX, "\x81\x7f\x7f\xff\xff\xff\xff\xff\xff\xff", 10},
		{WS_CLOSE, 2, "\x88\x02", 2},
		{WS_PING, 0, "\x89\x00", 2},
		{WS_PONG, 125, "\x8a\x7d", 2}
	};
	uint8_t *head = guard_alloc(WS_SERVER_HEAD_MAX);
	size_t i;

	for (i = 0; i < COUNT(cases); i++) {
		CHECK(ws_frame_head(cases[i].opcode, cases[i].length, head) == cases[i].size);
		CHECK(memcmp(head, cases[i].bytes, cases[i].size) == 0);
	}
	guard_free(head, WS_SERVER_HEAD_MAX);
}

/* Unmask len bytes at an offset of a larger area; what is around them must stay. */
static bool unmask_holds(size_t len, size_t offset, const uint8_t mask[static 4])
{
	uint8_t area[128], expected[128];
	size_t i;

	for (i = 0; i < sizeof area; i++)
		area[i] = expected[i] = (uint8_t)(i * 37 + 11);
	for (i = 0; i < len; i++)
		expected[offset + i] ^= mask[i % 4];
	ws_unmask(area + offset, len, mask);
	return memcmp(area, expected, sizeof area) == 0;
}

static void unmask(void)
{
	static const uint8_t masks[][4] = {
		{0x37, 0xfa, 0x21, 0x3d}, {0, 0, 0, 0}, {1, 2, 4, 8}, {0xff, 0, 0x80, 0x7f}
	};
	size_t len, offset, i;

	for (len = 0; len <= 70; len++) {
		uint8_t *data = guard_alloc(len), *mask = guard_copy(masks[0], 4);

		for (i = 0; i < COUNT(masks); i++) {
			for (offset = 0; offset < 32; offset++)
				CHECK(unmask_holds(len, offset, masks[i]));
		}
		ws_unmask(data, len, mask);
		for (i = 0; i < len; i++)
			CHECK(data[i] == mask[i % 4]);
		guard_free(data, len);
		guard_free(mask, 4);
	}
}

static uint16_t close_answer(const void *payload, size_t len)
{
	uint8_t *copy = guard_copy(payload, len);
	uint16_t answer = ws_close_answer(copy, len);

	guard_free(copy, len);
	return answer;
}

static bool code_may_be_sent(unsigned code)
{
	static const uint16_t ranges[][2] = {{1000, 1003}, {1007, 1014}, {3000, 4999}};
	size_t i;

	for (i = 0; i < COUNT(ranges); i++) {
		if (code >= ranges[i][0] && code <= ranges[i][1])
			return true;
	}
	return false;
}

/* Every code, alone and with reasons. */
static void close_codes(void)
{
	unsigned code;

	for (code = 0; code < 65536; code++) {
		uint8_t payload[] = {(uint8_t)(code / 256), (uint8_t)code, 0xC3, 0xA9};
		bool good = code_may_be_sent(code);

		CHECK(ws_close_answer(payload, 2) == (good ? code : 1002));
		CHECK(ws_close_answer(payload, 4) == (good ? code : 1002));
		CHECK(ws_close_answer(payload, 3) == (good ? 1007 : 1002));
	}
}

static void close_payloads(void)
{
	static const unsigned refused[] = {0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000};
	uint8_t payload[WS_CONTROL_MAX + 2];
	size_t len, i;

	for (i = 0; i < COUNT(refused); i++) {
		payload[0] = (uint8_t)(refused[i] / 256);
		payload[1] = (uint8_t)refused[i];
		CHECK(close_answer(payload, 2) == WS_STATUS_PROTOCOL);
	}
	memset(payload, 'x', sizeof payload);
	memcpy(payload, "\x03\xe8", 2);
	CHECK(close_answer(payload, 0) == WS_STATUS_NONE);
	CHECK(close_answer(payload, 1) == WS_STATUS_PROTOCOL);
	for (len = 2; len <= WS_CONTROL_MAX; len++)
		CHECK(close_answer(payload, len) == 1000);
	CHECK(close_answer(payload, WS_CONTROL_MAX + 1) == WS_STATUS_PROTOCOL);
	CHECK(close_answer(payload, WS_CONTROL_MAX + 2) == WS_STATUS_PROTOCOL);
	for (i = 2; i < WS_CONTROL_MAX; i++) {
		payload[i] = 0x80;
		CHECK(close_answer(payload, WS_CONTROL_MAX) == WS_STATUS_NOT_UTF8);
		payload[i] = 'x';
	}
	CHECK(close_answer("\x0f\xa0\xe2\x82\xac", 5) == 4000);
	CHECK(close_answer("\x0f\xa0\xe2\x82", 4) == WS_STATUS_NOT_UTF8);
	CHECK(close_answer("\x03\xed\x80", 3) == WS_STATUS_PROTOCOL);   /* 1005 is judged first */
}

/* The size of the character that text begins with, 0 if it is none: bits are put together,
 * then the number is judged. */
static size_t naive_size(const uint8_t *text, size_t len)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	uint32_t point;
	size_t size = 0, i;

	while (size < 8 && (text[0] << size & 0x80) != 0)
		size++;
	if (size == 0)
		return 1;
	if (size == 1 || size > 4 || size > len)
		return 0;
	point = text[0] & (0x7Fu >> size);
	for (i = 1; i < size; i++) {
		if (text[i] >> 6 != 2)
			return 0;
		point = point << 6 | (text[i] & 0x3F);
	}
	if (point < least[size] || point > 0x10FFFF || (point >= 0xD800 && point <= 0xDFFF))
		return 0;
	return size;
}

static bool naive_valid(const uint8_t *text, size_t len)
{
	size_t at = 0, size;

	while (at < len) {
		size = naive_size(text + at, len - at);
		if (size == 0)
			return false;
		at += size;
	}
	return true;
}

/* Every sequence of up to three bytes. */
static void utf8_short(void)
{
	uint8_t *text = guard_alloc(3);
	size_t len, wrong = 0;
	uint32_t number;

	CHECK(ws_utf8_valid(text + 3, 0));
	for (len = 1; len <= 3; len++) {
		for (number = 0; number < UINT32_C(1) << 8 * len; number++) {
			uint8_t *start = text + 3 - len;

			start[0] = (uint8_t)number;
			if (len >= 2)
				start[1] = (uint8_t)(number >> 8);
			if (len >= 3)
				start[2] = (uint8_t)(number >> 16);
			wrong += ws_utf8_valid(start, len) != naive_valid(start, len);
		}
	}
	CHECK(wrong == 0);
	guard_free(text, 3);
}

/* Of four bytes: the first two are all pairs, the others on both sides of every bound. */
static void utf8_four(void)
{
	static const uint8_t edges[] = {
		0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC2, 0xED, 0xF4, 0xFF
	};
	uint8_t *text = guard_alloc(4);
	size_t i, j, wrong = 0;
	uint32_t pair;

	for (pair = 0; pair < 0x10000; pair++) {
		text[0] = (uint8_t)(pair >> 8);
		text[1] = (uint8_t)pair;
		for (i = 0; i < COUNT(edges); i++) {
			text[2] = edges[i];
			for (j = 0; j < COUNT(edges); j++) {
				text[3] = edges[j];
				wrong += ws_utf8_valid(text, 4) != naive_valid(text, 4);
			}
		}
	}
	CHECK(wrong == 0);
	guard_free(text, 4);
}

/* Every number that four bytes can spell: accepted from U+10000 to U+10FFFF. */
static void utf8_four_points(void)
{
	uint8_t *text = guard_alloc(4);
	size_t wrong = 0;
	uint32_t point;

	for (point = 0; point < 0x200000; point++) {
		text[0] = (uint8_t)(0xF0 | point >> 18);
		text[1] = (uint8_t)(0x80 | (point >> 12 & 0x3F));
		text[2] = (uint8_t)(0x80 | (point >> 6 & 0x3F));
		text[3] = (uint8_t)(0x80 | (point & 0x3F));
		wrong += ws_utf8_valid(text, 4) != (point >= 0x10000 && point <= 0x10FFFF);
	}
	CHECK(wrong == 0);
	guard_free(text, 4);
}

/* ASCII of every length up to 70 with a piece put into every place, also over the end. */
static void utf8_runs(void)
{
	static const struct {
		const char *bytes;
		size_t len;
		bool valid;
	} pieces[] = {
		{"\x7f", 1, true}, {"\x00", 1, true},
		{"\xc3\xbf", 2, true}, {"\xe2\x82\xac", 3, true}, {"\xf0\x9f\x8c\x80", 4, true},
		{"\xc2\x80\xc3\xbf\xc2\x80\xc3\xbf\xc2\x80", 10, true},
		{"\x80", 1, false}, {"\xbf", 1, false}, {"\xff", 1, false}, {"\xc3", 1, false},
		{"\xe2\x82", 2, false}, {"\xf0\x9f\x8c", 3, false},
		{"\xc0\x80", 2, false}, {"\xc1\xbf", 2, false}, {"\xe0\x9f\xbf", 3, false},
		{"\xed\xa0\x80", 3, false}, {"\xf0\x8f\xbf\xbf", 4, false},
		{"\xf4\x90\x80\x80", 4, false}, {"\xf5\x80\x80\x80", 4, false},
		{"\xf8\x88\x80\x80\x80", 5, false}
	};
	size_t len, at, i;

	for (len = 0; len <= 70; len++) {
		uint8_t *text = guard_alloc(len);

		memset(text, 'a', len);
		CHECK(ws_utf8_valid(text, len));
		for (at = 0; at < len; at++) {
			for (i = 0; i < COUNT(pieces); i++) {
				size_t fit = len - at < pieces[i].len ? len - at : pieces[i].len;

				memcpy(text + at, pieces[i].bytes, fit);
				CHECK(ws_utf8_valid(text, len) == naive_valid(text, len));
				CHECK(fit < pieces[i].len ||
				    ws_utf8_valid(text, len) == pieces[i].valid);
				memset(text + at, 'a', fit);
			}
		}
		guard_free(text, len);
	}
}

/* Long mixed text, cut at every byte. */
static void utf8_cuts(void)
{
	static const char mixed[] = "\x24 plain text \xc2\xa2\xc3\xbf then more than eight bytes "
	    "\xe0\xa4\xb9\xe2\x82\xac\xed\x9f\xbf\xee\x80\x80 \xf0\x90\x8d\x88\xf4\x8f\xbf\xbf end";
	size_t len, cuts = 0;

	for (len = 0; len < sizeof mixed; len++) {
		uint8_t *text = guard_copy(mixed, len);

		CHECK(ws_utf8_valid(text, len) == naive_valid(text, len));
		cuts += !ws_utf8_valid(text, len);
		guard_free(text, len);
	}
	CHECK(cuts == 1 + 1 + 4 * 2 + 2 * 3);   /* inside of characters */
}

int main(void)
{
	RUN(guard_holds);
	RUN(accept_values);
	RUN(accept_refusals);
	RUN(frame_heads);
	RUN(frame_examples);
	RUN(server_heads);
	RUN(unmask);
	RUN(close_codes);
	RUN(close_payloads);
	RUN(utf8_short);
	RUN(utf8_four);
	RUN(utf8_four_points);
	RUN(utf8_runs);
	RUN(utf8_cuts);
	return test_end();
}
