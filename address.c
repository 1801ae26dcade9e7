/* address.c - see address.h */
#include "address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#define IPV4_BITS 96        /* how many bits the prefix ::ffff: takes */
#define TEXT_MAX 64         /* longer than any address */

static const uint8_t ipv4_prefix[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

static struct address from_ipv4(const void *four)
{
	struct address address;

	memcpy(address.bytes, ipv4_prefix, sizeof ipv4_prefix);
	memcpy(address.bytes + sizeof ipv4_prefix, four, 4);
	return address;
}

struct address address_of_socket(const struct sockaddr *socket_address)
{
	struct address address = { { 0 } };
	struct sockaddr_in ipv4;
	struct sockaddr_in6 ipv6;

	/* Copied, because accept's storage has another type. */
	if (socket_address->sa_family == AF_INET) {
		memcpy(&ipv4, socket_address, sizeof ipv4);
		address = from_ipv4(&ipv4.sin_addr);
	} else if (socket_address->sa_family == AF_INET6) {
		memcpy(&ipv6, socket_address, sizeof ipv6);
		memcpy(address.bytes, &ipv6.sin6_addr, sizeof address.bytes);
	}
	return address;
}

enum address_kind address_kind(const struct address *address)
{
	static const struct address none;

	if (memcmp(address->bytes, ipv4_prefix, sizeof ipv4_prefix) == 0)
		return ADDRESS_IPV4;
	return memcmp(address->bytes, none.bytes, sizeof none.bytes) == 0 ? ADDRESS_UNIX :
	    ADDRESS_IPV6;
}

void address_text(const struct address *address, char text[static ADDRESS_TEXT_MAX])
{
	enum address_kind kind = address_kind(address);
	const char *written = NULL;

	if (kind == ADDRESS_IPV4)
		written = inet_ntop(AF_INET, address->bytes + IPV4_BITS / 8, text,
		    ADDRESS_TEXT_MAX);
	else if (kind == ADDRESS_IPV6)
		written = inet_ntop(AF_INET6, address->bytes, text, ADDRESS_TEXT_MAX);
	if (written == NULL)
		text[0] = '\0';
}

static bool parse_plain(const char *text, size_t length, struct address *address)
{
	char copy[TEXT_MAX];
	uint8_t four[4];

	if (length == 0 || length >= sizeof copy || memchr(text, '\0', length) != NULL)
		return false;
	memcpy(copy, text, length);
	copy[length] = '\0';
	if (inet_pton(AF_INET, copy, four) == 1) {
		*address = from_ipv4(four);
		return true;
	}
	return inet_pton(AF_INET6, copy, address->bytes) == 1;
}

/* The unspecified address is nobody's. */
static bool parse_peer(const char *text, size_t length, struct address *address)
{
	return parse_plain(text, length, address) && address_kind(address) != ADDRESS_UNIX;
}

static bool is_port(const char *text, size_t length)
{
	size_t i;

	for (i = 0; i < length; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
	}
	return length >= 1 && length <= 5;
}

bool address_parse(const char *text, size_t length, struct address *address)
{
	const char *end;
	size_t inside;

	if (length > 0 && text[0] == '[') {
		end = memchr(text, ']', length);
		if (end == NULL)
			return false;
		inside = (size_t)(end - text) - 1;
		if (inside + 2 < length && (end[1] != ':' || !is_port(end + 2,
		    length - inside - 3)))
			return false;
		return memchr(text + 1, ':', inside) != NULL &&
		    parse_peer(text + 1, inside, address);
	}
	/* One colon alone is an IPv4 address with a port. */
	end = length > 0 ? memchr(text, ':', length) : NULL;
	inside = end != NULL ? (size_t)(end - text) : 0;
	if (end != NULL && memchr(end + 1, ':', length - inside - 1) == NULL)
		return is_port(end + 1, length - inside - 1) && parse_peer(text, inside, address);
	return parse_peer(text, length, address);
}

static bool parse_range(const char *text, size_t length, struct address_range *range)
{
	const char *slash = memchr(text, '/', length);
	size_t before = slash != NULL ? (size_t)(slash - text) : length;
	bool short_form = memchr(text, ':', before) == NULL;
	unsigned bits = 0, most = short_form ? 32 : 128;
	const char *at;

	if (!parse_plain(text, before, &range->base))
		return false;
	if (slash == NULL) {
		bits = most;
	} else {
		if (slash + 1 == text + length)
			return false;
		for (at = slash + 1; at < text + length; at++) {
			if (*at < '0' || *at > '9')
				return false;
			bits = bits * 10 + (unsigned)(*at - '0');
			if (bits > most)
				return false;
		}
	}
	range->bits = bits + (short_form ? IPV4_BITS : 0);
	return true;
}

bool address_ranges_parse(const char *text, struct address_ranges *ranges)
{
	ranges->count = 0;
	for (;;) {
		size_t length = strcspn(text, ",");

		if (ranges->count == ADDRESS_RANGES_MAX ||
		    !parse_range(text, length, &ranges->range[ranges->count]))
			return false;
		ranges->count++;
		if (text[length] == '\0')
			return true;
		text += length + 1;
	}
}

static bool in_range(const struct address *address, const struct address_range *range)
{
	size_t whole = range->bits / 8;
	unsigned rest = range->bits % 8;

	if (memcmp(address->bytes, range->base.bytes, whole) != 0)
		return false;
	return rest == 0 || (address->bytes[whole] ^ range->base.bytes[whole]) >> (8 - rest) == 0;
}

bool address_in(const struct address *address, const struct address_ranges *ranges)
{
	size_t i;

	for (i = 0; i < ranges->count; i++) {
		if (in_range(address, &ranges->range[i]))
			return true;
	}
	return false;
}

bool address_is_loopback(const struct address *address)
{
	struct address_ranges loopback;

	return address_ranges_parse("127.0.0.0/8,::1", &loopback) && address_in(address, &loopback);
}

void address_ranges_private(struct address_ranges *ranges)
{
	address_ranges_parse("127.0.0.0/8,::1,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,fc00::/7,"
	    "169.254.0.0/16,fe80::/10", ranges);
}
