/* fuzz_address.c - addresses as proxies write them, and ranges of them. */
#include "fuzz.h"

#include <arpa/inet.h>

#include "../../address.h"

static bool same(const struct address *a, const struct address *b)
{
	return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

/* Read a text that is put together of three. */
static bool parse_in(const char *before, const char *text, const char *after,
    struct address *address)
{
	size_t length = strlen(before) + strlen(text) + strlen(after);
	char *whole = malloc(length + 1), *copy;
	bool good;

	if (whole == NULL)
		abort();
	snprintf(whole, length + 1, "%s%s%s", before, text, after);
	copy = exact_copy(whole, length);
	good = address_parse(copy, length, address);
	free(copy);
	free(whole);
	return good;
}

/* A bare address, which the system's own reading decides. */
static void check_bare(const char *text, const struct address *address)
{
	uint8_t ipv6[16], ipv4[4];
	struct address again;

	if (inet_pton(AF_INET, text, ipv4) == 1) {
		MUST(address_kind(address) == ADDRESS_IPV4);
		MUST(memcmp(address->bytes + 12, ipv4, sizeof ipv4) == 0);
		MUST(parse_in("", text, ":80", &again) && same(address, &again));
		MUST(!parse_in("[", text, "]", &again));
	} else {
		MUST(inet_pton(AF_INET6, text, ipv6) == 1);
		MUST(memcmp(address->bytes, ipv6, sizeof ipv6) == 0);
		MUST(parse_in("[", text, "]", &again) && same(address, &again));
		MUST(parse_in("[", text, "]:65535", &again) && same(address, &again));
		MUST(!parse_in("[", text, "]:", &again));
	}
}

static void check_address(const uint8_t *data, size_t size)
{
	struct address address, again;
	char *copy = exact_copy(data, size), *text = text_copy(data, size);
	size_t colons = 0, i;

	memset(&address, 0xa5, sizeof address);
	if (address_parse(copy, size, &address)) {
		MUST(strlen(text) == size);
		MUST(address_kind(&address) != ADDRESS_UNIX);
		for (i = 0; i < size; i++)
			colons += text[i] == ':';
		if (text[0] != '[' && colons != 1)
			check_bare(text, &address);
		MUST(address_parse(copy, size, &again) && same(&address, &again));
	} else if (strlen(text) == size && size < 40) {
		uint8_t ipv4[4];

		MUST(inet_pton(AF_INET, text, ipv4) != 1);
	}
	free(copy);
	free(text);
}

static void check_ranges(const uint8_t *data, size_t size)
{
	struct address_ranges ranges;
	char *text = text_copy(data, size);
	size_t commas = 0, i;

	if (address_ranges_parse(text, &ranges)) {
		for (i = 0; text[i] != '\0'; i++)
			commas += text[i] == ',';
		MUST(ranges.count == commas + 1 && ranges.count <= ADDRESS_RANGES_MAX);
		for (i = 0; i < ranges.count; i++) {
			struct address outside = ranges.range[i].base;
			struct address_ranges one = { .range = { ranges.range[i] }, .count = 1 };
			unsigned bits = ranges.range[i].bits;

			MUST(bits <= 128);
			MUST(address_in(&outside, &ranges));
			if (bits == 0)
				continue;
			/* The last bit that counts, turned. */
			outside.bytes[(bits - 1) / 8] ^= (uint8_t)(0x80 >> (bits - 1) % 8);
			MUST(!address_in(&outside, &one));
		}
	}
	free(text);
}

int fuzz_address(const uint8_t *data, size_t size)
{
	struct address_ranges private;
	struct address address;

	if (size == 0)
		return 0;
	if (data[0] == '=') {
		check_ranges(data + 1, size - 1);
		return 0;
	}
	check_address(data, size);
	address_ranges_private(&private);
	if (address_parse((const char *)data, size, &address) && address_is_loopback(&address))
		MUST(address_in(&address, &private));
	return 0;
}
