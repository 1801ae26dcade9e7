/* test_address.c - addresses as sockets and proxies give them, ranges bit by bit. */
#include "test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "../address.h"
#include "guard.h"

#define COUNT(array) (sizeof (array) / sizeof (array)[0])

/* The address of IPv6 text, by another way than address_parse's. */
static struct address address_of(const char *text)
{
	struct address address;

	CHECK(inet_pton(AF_INET6, text, address.bytes) == 1);
	return address;
}

static bool same(const struct address *a, const struct address *b)
{
	return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

/* address_parse on text that ends at a guard page. */
static bool parse(const char *text, size_t length, struct address *address)
{
	char *copy = guard_copy(text, length);
	bool parsed;

	memset(address, 0x5a, sizeof *address);
	parsed = address_parse(copy, length, address);
	guard_free(copy, length);
	return parsed;
}

static const struct {
	const char *text, *ipv6;
	enum address_kind kind;
} good[] = {
	{ "192.0.2.1", "::ffff:192.0.2.1", ADDRESS_IPV4 },
	{ "192.0.2.1:80", "::ffff:192.0.2.1", ADDRESS_IPV4 },
	{ "192.0.2.1:65535", "::ffff:192.0.2.1", ADDRESS_IPV4 },
	{ "255.255.255.255:1", "::ffff:255.255.255.255", ADDRESS_IPV4 },
	{ "2001:db8::1", "2001:db8::1", ADDRESS_IPV6 },
	{ "[2001:db8::1]", "2001:db8::1", ADDRESS_IPV6 },
	{ "[2001:db8::1]:80", "2001:db8::1", ADDRESS_IPV6 },
	{ "2001:DB8:0:0:0:0:0:A", "2001:db8::a", ADDRESS_IPV6 },
	{ "2001:db8:ffff:ffff:ffff:ffff:255.255.255.255",
	    "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", ADDRESS_IPV6 },
	{ "::1", "::1", ADDRESS_IPV6 },
	{ "[::1]:8000", "::1", ADDRESS_IPV6 },
	{ "1::", "1::", ADDRESS_IPV6 },
	{ "::ffff:192.0.2.1", "::ffff:192.0.2.1", ADDRESS_IPV4 },
	{ "[::ffff:192.0.2.1]:80", "::ffff:192.0.2.1", ADDRESS_IPV4 },
	{ "::ffff:c000:201", "::ffff:192.0.2.1", ADDRESS_IPV4 },
	{ "64:ff9b::192.0.2.1", "64:ff9b::c000:201", ADDRESS_IPV6 }
};

static void parses(void)
{
	struct address address, expected;
	bool right;

	for (size_t i = 0; i < COUNT(good); i++) {
		expected = address_of(good[i].ipv6);
		right = parse(good[i].text, strlen(good[i].text), &address) &&
		    same(&address, &expected) && address_kind(&address) == good[i].kind;
		if (!right)
			printf("%s\n", good[i].text);
		CHECK(right);
	}
}

/* Cut short anywhere, or with a byte changed to NUL, nothing beyond the length is looked at. */
static void parses_at_every_cut(void)
{
	struct address address;
	char text[64];
	size_t length;

	for (size_t i = 0; i < COUNT(good); i++) {
		length = strlen(good[i].text);
		for (size_t cut = 0; cut <= length; cut++) {
			(void)parse(good[i].text, cut, &address);
			memcpy(text, good[i].text, length + 1);
			text[cut] = '\0';
			CHECK(!parse(text, length + 1, &address));
		}
	}
}

static void refuses(void)
{
	static const char *const bad[] = {
		"", " ", "unknown", "_hidden", "localhost", "example.com:80", "192.0.2",
		"192.0.2.256", "192.0.2.1.1", "192.0.2.1 ", " 192.0.2.1", "192.0.2.1:",
		"192.0.2.1:a", "192.0.2.1:-1", "192.0.2.1:123456", "192.0.2.1:80:80",
		"192.0.2.1,192.0.2.2", "192.0.2.1/24", ":80", ":", "::", "[::]", "[::]:80",
		"0::0", "[]", "[", "]", "[]:80", "[::1", "::1]", "[::1]x", "[::1]:", "[::1]:x",
		"[::1]80", "[::1]:123456", "[[::1]]", "[::1]]", "[::1]:80:80", "2001:db8::1::",
		"2001:db8::g", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "12345::", "::1%lo",
		"fe80::1%eth0", "::ffff:192.0.2", "0x7f.1", "\"[::1]\"", "for=192.0.2.1"
	};
	struct address address;
	char text[2000];
	bool refused;

	for (size_t i = 0; i < COUNT(bad); i++) {
		refused = !parse(bad[i], strlen(bad[i]), &address);
		if (!refused)
			printf("%s\n", bad[i]);
		CHECK(refused);
	}
	for (size_t length = 40; length < sizeof text; length++) {
		memset(text, '1', length);
		CHECK(!parse(text, length, &address));
		memset(text, ':', length);
		CHECK(!parse(text, length, &address));
		memset(text, '0', length);
		memcpy(text, "::", 2);
		CHECK(!parse(text, length, &address));
	}
}

static void of_sockets(void)
{
	struct sockaddr_in ipv4 = { .sin_family = AF_INET, .sin_port = htons(80) };
	struct sockaddr_in6 ipv6 = { .sin6_family = AF_INET6, .sin6_port = htons(80) };
	struct sockaddr nobody = { .sa_family = AF_UNIX };
	struct address address, expected;

	inet_pton(AF_INET, "192.0.2.1", &ipv4.sin_addr);
	address = address_of_socket((struct sockaddr *)&ipv4);
	expected = address_of("::ffff:192.0.2.1");
	CHECK(same(&address, &expected));
	CHECK(address_kind(&address) == ADDRESS_IPV4);
	inet_pton(AF_INET6, "2001:db8::1", &ipv6.sin6_addr);
	address = address_of_socket((struct sockaddr *)&ipv6);
	expected = address_of("2001:db8::1");
	CHECK(same(&address, &expected));
	CHECK(address_kind(&address) == ADDRESS_IPV6);
	/* A socket for both families gives IPv4 like this. */
	inet_pton(AF_INET6, "::ffff:192.0.2.1", &ipv6.sin6_addr);
	address = address_of_socket((struct sockaddr *)&ipv6);
	CHECK(address_kind(&address) == ADDRESS_IPV4);
	memset(nobody.sa_data, 'x', sizeof nobody.sa_data);
	address = address_of_socket(&nobody);
	expected = (struct address){ { 0 } };
	CHECK(same(&address, &expected));
	CHECK(address_kind(&address) == ADDRESS_UNIX);
}

static bool text_in(const char *text, const struct address_ranges *ranges)
{
	struct address address;

	CHECK(address_parse(text, strlen(text), &address));
	return address_in(&address, ranges);
}

static void ranges_parse(void)
{
	static const struct {
		const char *text;
		size_t count;
		unsigned bits;          /* of the last */
	} lists[] = {
		{ "10.0.0.0/8", 1, 104 }, { "10.0.0.0/0", 1, 96 }, { "10.0.0.1", 1, 128 },
		{ "10.0.0.1/32", 1, 128 }, { "::1", 1, 128 }, { "::1/128", 1, 128 },
		{ "::/0", 1, 0 }, { "::/8", 1, 8 }, { "::ffff:10.0.0.0/104", 1, 104 },
		{ "fc00::/7", 1, 7 }, { "10.1.2.3/8,fc00::1/07", 2, 7 },
		{ "::1,::2,10.0.0.0/9", 3, 105 }
	};
	static const char *const bad[] = {
		"", ",", "10.0.0.0/8,", ",10.0.0.0/8", "10.0.0.0/8,,::1", "10.0.0.0/",
		"10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/8x", "10.0.0.0/ 8", "10.0.0.0/8 ",
		"10.0.0.0/8, ::1", "10.0.0.0/8/8", "10.0.0.0//8", "/8", "10.0.0/8", "::/129",
		"::/4294967304", "::1/", "[::1]", "[::1]/128", "10.0.0.1:80", "loopback",
		"::1/0x8", "::1/00000000000000000000000000000000000000000000000000000000129"
	};
	struct address_ranges ranges;
	bool refused;

	for (size_t i = 0; i < COUNT(lists); i++) {
		CHECK(address_ranges_parse(lists[i].text, &ranges));
		CHECK(ranges.count == lists[i].count);
		CHECK(ranges.range[ranges.count - 1].bits == lists[i].bits);
	}
	for (size_t i = 0; i < COUNT(bad); i++) {
		refused = !address_ranges_parse(bad[i], &ranges);
		if (!refused)
			printf("%s\n", bad[i]);
		CHECK(refused);
	}
}

static void ranges_at_most(void)
{
	struct address_ranges *ranges = guard_alloc(sizeof *ranges);
	char text[40 * 8] = "", *at = text;

	for (int i = 0; i < ADDRESS_RANGES_MAX + 1; i++) {
		at += sprintf(at, "%s::%x", i == 0 ? "" : ",", i + 1);
		CHECK(address_ranges_parse(text, ranges) == (i < ADDRESS_RANGES_MAX));
	}
	CHECK(text_in("::20", ranges));
	guard_free(ranges, sizeof *ranges);
}

/* An address that differs from the base in one bit is in a range when that bit comes after it. */
static void ranges_every_bit(void)
{
	struct address_ranges ranges = { .count = 1 };

	ranges.range[0].base = address_of("2001:db8:a5a5:5a5a:ff00:ff:1:8000");
	for (unsigned bits = 0; bits <= 128; bits++) {
		ranges.range[0].bits = bits;
		CHECK(address_in(&ranges.range[0].base, &ranges));
		for (unsigned bit = 0; bit < 128; bit++) {
			struct address address = ranges.range[0].base;

			address.bytes[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
			CHECK(address_in(&address, &ranges) == (bit >= bits));
		}
	}
	ranges.count = 0;
	CHECK(!address_in(&ranges.range[0].base, &ranges));
}

static void ranges_by_form(void)
{
	struct address_ranges ranges;

	CHECK(address_ranges_parse("0.0.0.0/0", &ranges));
	CHECK(text_in("192.0.2.1", &ranges) && text_in("::ffff:192.0.2.1", &ranges));
	CHECK(!text_in("2001:db8::1", &ranges) && !text_in("::1", &ranges));
	CHECK(address_ranges_parse("192.0.2.0/25,2001:db8::/32", &ranges));
	CHECK(text_in("192.0.2.127", &ranges) && !text_in("192.0.2.128", &ranges));
	CHECK(text_in("2001:db8:ffff::", &ranges) && !text_in("2001:db9::", &ranges));
}

static void ranges_private(void)
{
	static const char *const inside[] = {
		"127.0.0.0", "127.255.255.255", "::1", "10.0.0.0", "10.255.255.255", "172.16.0.0",
		"172.31.255.255", "192.168.0.0", "192.168.255.255", "169.254.0.0",
		"169.254.255.255", "fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fe80::",
		"febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "::ffff:10.0.0.1"
	};
	static const char *const outside[] = {
		"126.255.255.255", "128.0.0.0", "::2", "9.255.255.255", "11.0.0.0",
		"172.15.255.255", "172.32.0.0", "192.167.255.255", "192.169.0.0",
		"169.253.255.255", "169.255.0.0", "fbff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
		"fe00::", "fec0::", "8.8.8.8", "2001:db8::1", "0.0.0.1", "255.255.255.255",
		"::10.0.0.1", "::fffe:10.0.0.1"
	};
	struct address nobody = { { 0 } };
	struct address_ranges ranges;

	memset(&ranges, 0x5a, sizeof ranges);
	address_ranges_private(&ranges);
	for (size_t i = 0; i < COUNT(inside); i++)
		CHECK(text_in(inside[i], &ranges));
	for (size_t i = 0; i < COUNT(outside); i++)
		CHECK(!text_in(outside[i], &ranges));
	CHECK(!address_in(&nobody, &ranges));
}

int main(void)
{
	RUN(parses);
	RUN(parses_at_every_cut);
	RUN(refuses);
	RUN(of_sockets);
	RUN(ranges_parse);
	RUN(ranges_at_most);
	RUN(ranges_every_bit);
	RUN(ranges_by_form);
	RUN(ranges_private);
	return test_end();
}
