/* ws.c - WebSocket; sections of RFC 6455 unless another is named. */
#include "ws.h"

#include <string.h>

#include "sha1.h"

#define HIGH_BITS UINT64_C(0x8080808080808080)   /* set in a byte that is not ASCII */

static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static int base64_value(char digit)
{
	const char *at = memchr(base64_digits, digit, 64);

	return at == NULL ? -1 : (int)(at - base64_digits);
}

/* The last digit before the padding carries 2 bits of the 16th byte and 4 bits of nothing. */
static bool key_valid(const char *key, size_t len)
{
	size_t i;

	if (len != WS_KEY_SIZE)
		return false;
	for (i = 0; i < 22; i++) {
		if (base64_value(key[i]) < 0)
			return false;
	}
	return base64_value(key[21]) % 16 == 0 && key[22] == '=' && key[23] == '=';
}

/* Base64 of a digest: six groups of three bytes, and one of two with a pad. */
static void digest_encode(const uint8_t digest[static SHA1_SIZE], char out[static WS_ACCEPT_SIZE])
{
	uint8_t padded[SHA1_SIZE + 1] = {0};
	size_t i;

	memcpy(padded, digest, SHA1_SIZE);
	for (i = 0; i < sizeof padded; i += 3, out += 4) {
		out[0] = base64_digits[padded[i] >> 2];
		out[1] = base64_digits[(padded[i] & 0x03) << 4 | padded[i + 1] >> 4];
		out[2] = base64_digits[(padded[i + 1] & 0x0F) << 2 | padded[i + 2] >> 6];
		out[3] = base64_digits[padded[i + 2] & 0x3F];
	}
	out[-1] = '=';
}

bool ws_accept(const char *key, size_t len, char accept[static WS_ACCEPT_SIZE])
{
	static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	uint8_t digest[SHA1_SIZE];
	struct sha1 sha1;

	if (!key_valid(key, len))
		return false;
	sha1_init(&sha1);
	sha1_update(&sha1, key, len);
	sha1_update(&sha1, guid, sizeof guid - 1);
	sha1_final(&sha1, digest);
	digest_encode(digest, accept);
	return true;
}

/* FIN, three reserved bits, opcode (5.2) */
static bool first_byte_valid(uint8_t first)
{
	bool fin = (first & 0x80) != 0;

	if ((first & 0x70) != 0)
		return false;
	switch (first & 0x0F) {
	case WS_CONTINUATION:
	case WS_TEXT:
	case WS_BINARY:
		return true;
	case WS_CLOSE:
	case WS_PING:
	case WS_PONG:
		return fin;
	}
	return false;
}

/* Can the length, as far as its bytes are there, still become one that is allowed? */
static bool length_valid(const uint8_t *data, size_t len)
{
	static const uint8_t zeros[6];
	bool control = (data[0] & 0x08) != 0;
	uint8_t code = data[1] & 0x7F;

	if (code <= 125)
		return true;
	if (control)
		return false;
	if (code == 126)
		return len < 4 || data[2] != 0 || data[3] >= 126;
	if (len >= 3 && data[2] >= 0x80)
		return false;
	return len < 8 || memcmp(data + 2, zeros, sizeof zeros) != 0;
}

static uint64_t number_load(const uint8_t *bytes, size_t size)
{
	uint64_t number = 0;
	size_t i;

	for (i = 0; i < size; i++)
		number = number << 8 | bytes[i];
	return number;
}

enum ws_result ws_frame_read(const uint8_t *data, size_t len, struct ws_frame *frame)
{
	size_t size = ws_head_size(data, len);

	if (len >= 1 && !first_byte_valid(data[0]))
		return WS_BAD;
	if (len >= 2 && ((data[1] & 0x80) == 0 || !length_valid(data, len)))
		return WS_BAD;
	if (len < size)
		return WS_PARTIAL;
	frame->fin = (data[0] & 0x80) != 0;
	frame->opcode = data[0] & 0x0F;
	frame->head = (uint8_t)size;
	/* What stands between the first two bytes and the mask is the long form of the length. */
	frame->length = size == 6 ? data[1] & 0x7F : number_load(data + 2, size - 6);
	memcpy(frame->mask, data + size - 4, 4);
	return WS_WHOLE;
}

size_t ws_head_size(const uint8_t *data, size_t len)
{
	if (len < 2)
		return 2;
	switch (data[1] & 0x7F) {
	case 126:
		return 8;
	case 127:
		return 14;
	}
	return 6;
}

void ws_unmask(uint8_t *data, size_t len, const uint8_t mask[static 4])
{
	uint8_t twice[8];
	uint64_t wide, word;
	size_t at = 0;

	memcpy(twice, mask, 4);
	memcpy(twice + 4, mask, 4);
	memcpy(&wide, twice, 8);
	for (; len - at >= 8; at += 8) {
		memcpy(&word, data + at, 8);
		word ^= wide;
		memcpy(data + at, &word, 8);
	}
	for (; at < len; at++)
		data[at] ^= mask[at % 4];
}

static void number_store(uint8_t *bytes, size_t size, uint64_t number)
{
	while (size-- > 0) {
		bytes[size] = (uint8_t)number;
		number >>= 8;
	}
}

size_t ws_frame_head(enum ws_opcode opcode, uint64_t length,
    uint8_t head[static WS_SERVER_HEAD_MAX])
{
	head[0] = (uint8_t)(0x80 | opcode);
	if (length <= 125) {
		head[1] = (uint8_t)length;
		return 2;
	}
	if (length <= 0xFFFF) {
		head[1] = 126;
		number_store(head + 2, 2, length);
		return 4;
	}
	head[1] = 127;
	number_store(head + 2, 8, length);
	return 10;
}

static bool status_valid(uint16_t status)
{
	return (status >= 1000 && status <= 1003) || (status >= 1007 && status <= 1014) ||
	    (status >= 3000 && status <= 4999);
}

uint16_t ws_close_answer(const uint8_t *payload, size_t len)
{
	uint16_t status;

	if (len == 0)
		return WS_STATUS_NONE;
	if (len == 1 || len > WS_CONTROL_MAX)
		return WS_STATUS_PROTOCOL;
	status = (uint16_t)number_load(payload, 2);
	if (!status_valid(status))
		return WS_STATUS_PROTOCOL;
	return ws_utf8_valid(payload + 2, len - 2) ? status : WS_STATUS_NOT_UTF8;
}

/* Returns where the first byte that is not ASCII is, or len. */
static size_t ascii_skip(const uint8_t *text, size_t at, size_t len)
{
	uint64_t word;

	for (; len - at >= 8; at += 8) {
		memcpy(&word, text + at, 8);
		if ((word & HIGH_BITS) != 0)
			break;
	}
	while (at < len && text[at] < 0x80)
		at++;
	return at;
}

/* The size of the multi-byte sequence that text begins with, 0 if it is none (RFC 3629 4). */
static size_t sequence_size(const uint8_t *text, size_t len)
{
	uint8_t lead = text[0], low = 0x80, high = 0xBF;
	size_t i, size;

	if (lead < 0xC2 || lead > 0xF4)
		return 0;
	size = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
	if (len < size)
		return 0;
	/* The second byte's range keeps out overlong forms, surrogates and what is too large. */
	switch (lead) {
	case 0xE0:
		low = 0xA0;
		break;
	case 0xED:
		high = 0x9F;
		break;
	case 0xF0:
		low = 0x90;
		break;
	case 0xF4:
		high = 0x8F;
		break;
	}
	if (text[1] < low || text[1] > high)
		return 0;
	for (i = 2; i < size; i++) {
		if ((text[i] & 0xC0) != 0x80)
			return 0;
	}
	return size;
}

bool ws_utf8_valid(const uint8_t *text, size_t len)
{
	size_t at = 0, size;

	for (;;) {
		at = ascii_skip(text, at, len);
		if (at == len)
			return true;
		size = sequence_size(text + at, len - at);
		if (size == 0)
			return false;
		at += size;
	}
}
