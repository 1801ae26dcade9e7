/* fuzz_ws.c - frame heads at every cut, masks, close frames and UTF-8, against plain readings. */
#include "fuzz.h"

#include "../../ws.h"

/* -- frame heads ---------------------------------------------------------------------- */

/* The frame that begins here, read the plain way from as much as is there. */
static enum ws_result plain_frame(const uint8_t *data, size_t size, struct ws_frame *frame)
{
	uint64_t length;
	size_t head, i;

	if (size >= 1 && ((data[0] & 0x70) != 0 || (data[0] & 7) > 2 ||
	    (data[0] & 0x88) == 0x08))
		return WS_BAD;
	if (size < 2)
		return WS_PARTIAL;
	length = data[1] & 127;
	if (data[1] < 128 || (data[0] & 8 && length > 125))
		return WS_BAD;
	head = length == 127 ? 10 : length == 126 ? 4 : 2;
	if (head > 2 && size >= head) {
		for (length = 0, i = 2; i < head; i++)
			length = length * 256 + data[i];
		if (length > INT64_MAX || length < (head == 4 ? 126u : 65536u))
			return WS_BAD;
	}
	if (size < head + 4)
		return WS_PARTIAL;
	*frame = (struct ws_frame){ .length = length, .head = (uint8_t)(head + 4),
		.opcode = data[0] & 15, .fin = data[0] >= 128 };
	memcpy(frame->mask, data + head, 4);
	return WS_WHOLE;
}

static void check_frame(const uint8_t *data, size_t size)
{
	enum ws_result result, plain, before = WS_PARTIAL;
	size_t cut, head;

	for (cut = 0; cut <= size && cut <= WS_HEAD_MAX + 2; cut++) {
		uint8_t *copy = exact_copy(data, cut);
		struct ws_frame frame = { 0 }, expected = { 0 };

		result = ws_frame_read(copy, cut, &frame);
		plain = plain_frame(data, cut, &expected);
		head = ws_head_size(copy, cut);
		free(copy);
		/* A wrong length may show before it is whole, but never later, nor falsely. */
		MUST(result == plain || (result == WS_BAD && plain == WS_PARTIAL));
		MUST(before != WS_BAD || result == WS_BAD);
		MUST(before != WS_WHOLE || result == WS_WHOLE);
		before = result;
		if (result == WS_PARTIAL)
			MUST(head > cut);
		if (result != WS_WHOLE)
			continue;
		MUST(frame.head == head && head <= cut && frame.length == expected.length);
		MUST(frame.opcode == expected.opcode && frame.fin == expected.fin);
		MUST(memcmp(frame.mask, expected.mask, 4) == 0);
	}
}

/* What this side writes, a client could have sent but for the mask. */
static void check_head(struct input input)
{
	uint8_t head[WS_SERVER_HEAD_MAX], masked[WS_HEAD_MAX] = { 0 };
	uint64_t length = 0;
	struct ws_frame frame;
	size_t size, i;

	for (i = input_byte(&input) % 9; i > 0; i--)
		length = length << 8 | input_byte(&input);
	length &= INT64_MAX;
	size = ws_frame_head(WS_TEXT, length, head);
	MUST(size == 2 || size == 4 || size == 10);
	memcpy(masked, head, size);
	masked[1] |= 0x80;
	MUST(ws_frame_read(masked, size + 4, &frame) == WS_WHOLE);
	MUST(frame.length == length && frame.opcode == WS_TEXT && frame.fin);
}

/* -- payloads ------------------------------------------------------------------------- */

static void check_mask(struct input input)
{
	uint8_t mask[4], *copy, *pieces;
	size_t cut, i;

	for (i = 0; i < 4; i++)
		mask[i] = input_byte(&input);
	cut = (size_t)input_byte(&input) * 4;
	copy = exact_copy(input.at, input.left);
	pieces = exact_copy(input.at, input.left);
	ws_unmask(copy, input.left, mask);
	for (i = 0; i < input.left; i++)
		MUST(copy[i] == (input.at[i] ^ mask[i % 4]));
	if (cut < input.left) {
		ws_unmask(pieces, cut, mask);
		ws_unmask(pieces + cut, input.left - cut, mask);
		MUST(memcmp(copy, pieces, input.left) == 0);
	}
	free(copy);
	free(pieces);
}

/* UTF-8 by decoding, and looking at what came out. */
static bool plain_utf8(const uint8_t *text, size_t size)
{
	static const uint32_t least[] = { 0, 0x80, 0x800, 0x10000 };
	size_t at = 0, more, i;

	while (at < size) {
		uint8_t lead = text[at++];
		uint32_t point;

		if (lead < 0x80)
			continue;
		more = lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
		if (lead < 0xc0 || lead >= 0xf8 || more > size - at)
			return false;
		point = lead & (0x3fu >> more);
		for (i = 0; i < more; i++, at++) {
			if (text[at] < 0x80 || text[at] >= 0xc0)
				return false;
			point = point << 6 | (text[at] & 0x3fu);
		}
		if (point < least[more] || point > 0x10ffff || (point >= 0xd800 && point < 0xe000))
			return false;
	}
	return true;
}

static void check_text(const uint8_t *data, size_t size)
{
	uint8_t *copy = exact_copy(data, size);
	bool valid = plain_utf8(data, size);
	unsigned answer, code = size >= 2 ? (unsigned)(data[0] << 8 | data[1]) : 0;

	MUST(ws_utf8_valid(copy, size) == valid);
	answer = ws_close_answer(copy, size);
	if (size == 0)
		MUST(answer == WS_STATUS_NONE);
	else if (size == 1 || size > WS_CONTROL_MAX || code < 1000 || code > 4999 ||
	    (code > 1003 && code < 1007) || (code > 1014 && code < 3000))
		MUST(answer == WS_STATUS_PROTOCOL);
	else
		MUST(answer == (plain_utf8(data + 2, size - 2) ? code :
		    (unsigned)WS_STATUS_NOT_UTF8));
	free(copy);
}

int fuzz_ws(const uint8_t *data, size_t size)
{
	struct input input = { data, size };

	check_frame(data, size);
	check_head(input);
	check_mask(input);
	check_text(data, size);
	return 0;
}
