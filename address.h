/*
 * address.h - addresses of peers and proxies, and ranges of them.
 *
 * Pure but for inet_pton. An IPv4 address is kept in its IPv6 form, ::ffff:a.b.c.d, however it
 * came; all zeros stands for a peer that came by a unix socket.
 */
#ifndef ADDRESS_H
#define ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define ADDRESS_RANGES_MAX 32

struct address {
	uint8_t bytes[16];
};

enum address_kind { ADDRESS_IPV4, ADDRESS_IPV6, ADDRESS_UNIX };

/* Those addresses whose first `bits` bits are those of base. */
struct address_range {
	struct address base;
	unsigned bits;          /* 0 to 128, counted in the IPv6 form */
};

struct address_ranges {
	struct address_range range[ADDRESS_RANGES_MAX];
	size_t count;
};

/* The address of a socket's peer, as accept(2) gave it. */
struct address address_of_socket(const struct sockaddr *socket_address);

enum address_kind address_kind(const struct address *address);

#define ADDRESS_TEXT_MAX 48     /* bytes of an address as text, terminated */

/* Write an address as text; "" for a Unix-domain socket. */
void address_text(const struct address *address, char text[static ADDRESS_TEXT_MAX]);

/*
 * Read an address as proxies write it: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`,
 * `[2001:db8::1]`, `[2001:db8::1]:80`. False if it is none.
 */
bool address_parse(const char *text, size_t length, struct address *address);

/* Read ranges: `ADDRESS/BITS` or `ADDRESS`, separated by commas. False if one is none, or there are
 * more than ADDRESS_RANGES_MAX. */
bool address_ranges_parse(const char *text, struct address_ranges *ranges);

bool address_in(const struct address *address, const struct address_ranges *ranges);

bool address_is_loopback(const struct address *address);

/* Loopback (127.0.0.0/8, ::1), private (10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, fc00::/7), and
 * link-local (169.254.0.0/16, fe80::/10) ranges. */
void address_ranges_private(struct address_ranges *ranges);

#endif
