/*
 * fuzz_tls.c - TLS: records of real clients, of clients whose records are spoilt on the way, and
 * bytes that look like records, on several links in turn.
 *
 * The first byte says how tables are sized; then each operation is a byte, a link, what it needs.
 */
#include "fuzz.h"

#include <bearssl.h>

#include "../../tls.h"
#include "../pem.h"
#include "check.h"
#include "rig.h"

#define LINKS 4
#define OPERATIONS_MAX 200
#define RELOADS_MAX 3           /* a key is tried when it is loaded, which costs time */

/* A link's far end, and what is between. */
struct end {
	struct cipher *cipher;          /* NULL: none */
	bool clean;                     /* nothing was spoilt */
	bool alive;                     /* the server has not forgotten the link */
	bool open, closing;
	struct world_socket between;
	struct world_bytes got;         /* plaintext at the client */
	struct world_bytes to_server, to_client;        /* plaintext that has not arrived */
};

static struct tls *tls;
static struct end ends[LINKS + 1];
static bool has_rsa;
static int reloads;
static uint8_t *plain;

static void collect(void *context, const uint8_t *bytes, size_t length)
{
	world_bytes_add(&((struct end *)context)->between.out, bytes, length);
}

static struct tls_sink sink(struct end *end)
{
	return (struct tls_sink){ end, collect };
}

static void end_free(struct end *end)
{
	cipher_free(end->cipher);
	world_bytes_free(&end->between.in);
	world_bytes_free(&end->between.out);
	world_bytes_free(&end->got);
	world_bytes_free(&end->to_server);
	world_bytes_free(&end->to_client);
	memset(end, 0, sizeof *end);
}

static void forget(uint32_t link)
{
	tls_forget(tls, link);
	end_free(&ends[link]);
}

/* -- records --------------------------------------------------------------------------------- */

/* What arrived must be what was sent, if nothing was spoilt. */
static void arrive(const struct end *end, struct world_bytes *sent, const uint8_t *bytes,
    size_t length)
{
	if (!end->clean)
		return;
	MUST(length <= sent->length && (length == 0 || memcmp(sent->at, bytes, length) == 0));
	world_bytes_drop(sent, length);
}

static void client_takes(struct end *end)
{
	if (end->cipher == NULL)
		return;
	cipher_pump(end->cipher, &end->between, &end->got);
	arrive(end, &end->to_client, end->got.at, end->got.length);
	world_bytes_drop(&end->got, end->got.length);
}

/* The size of the record that comes first, which must not depend on how much is there. */
static int record_size(const struct world_bytes *bytes)
{
	int size = tls_record_size(bytes->at, bytes->length), part;
	size_t cut;

	for (cut = 0; cut <= 5 && cut <= bytes->length; cut++) {
		uint8_t *copy = exact_copy(bytes->at, cut);

		part = tls_record_size(copy, cut);
		free(copy);
		MUST(part == 0 || part == size);
	}
	MUST(size <= TLS_RECORD_MAX && (size == -1 || bytes->length < 5 || size >= 5));
	return size;
}

static void record_given(uint32_t link, enum tls_result result, size_t length)
{
	struct end *end = &ends[link];

	MUST(length <= TLS_PLAIN_MAX);
	arrive(end, &end->to_server, plain, length);
	MUST(result != TLS_HANDSHAKE || !end->open);
	MUST(result == TLS_OPEN || length == 0 || end->open || !end->clean);
	end->open = result == TLS_OPEN;
	end->alive = result == TLS_OPEN || result == TLS_HANDSHAKE;
	if (end->clean)
		MUST(end->alive || result == TLS_FULL || (result == TLS_CLOSED && end->closing));
}

/* Give the server whole records, at most so many. */
static void deliver(uint32_t link, unsigned most)
{
	struct end *end = &ends[link];
	struct tls_sink out = sink(end);
	enum tls_result result;
	int size;

	client_takes(end);
	while (most-- > 0 && end->alive && (size = record_size(&end->between.in)) > 0 &&
	    (size_t)size <= end->between.in.length) {
		uint8_t *record = exact_copy(end->between.in.at, (size_t)size);
		size_t length = 99;

		world_bytes_drop(&end->between.in, (size_t)size);
		result = tls_input(tls, link, record, (size_t)size, plain, &length, &out);
		record_given(link, result, length);
		free(record);
		client_takes(end);
	}
}

/* -- operations -------------------------------------------------------------------------------- */

static void begin(uint32_t link, uint8_t how)
{
	forget(link);
	ends[link].alive = true;
	ends[link].clean = how % 8 < 3 || (how % 8 < 6 && has_rsa);
	ends[link].cipher = cipher_new(how % 8, how & 128, how & 64 ? "rsa.example" : NULL);
}

static void fill(struct world_bytes *bytes, size_t length)
{
	static const char pattern[] = "Whatever is said on a link must arrive as it was said. ";
	size_t part;

	for (; length > 0; length -= part) {
		part = length < sizeof pattern ? length : sizeof pattern;
		world_bytes_add(bytes, pattern, part);
	}
}

static void hear(uint32_t link, uint8_t size)
{
	struct end *end = &ends[link];
	struct world_bytes bytes = { 0 };

	if (end->cipher == NULL || end->closing)
		return;
	fill(&bytes, (size_t)size * size);
	cipher_send(end->cipher, bytes.at, bytes.length);
	world_bytes_add(&end->to_server, bytes.at, bytes.length);
	world_bytes_free(&bytes);
}

static void say(uint32_t link, uint8_t size)
{
	struct end *end = &ends[link];
	struct tls_sink out = sink(end);
	struct world_bytes bytes = { 0 };
	struct iovec pieces[2];
	enum tls_result result;

	fill(&bytes, (size_t)size * size + 1);
	pieces[0] = (struct iovec){ bytes.at, bytes.length / 3 };
	pieces[1] = (struct iovec){ bytes.at + bytes.length / 3, bytes.length - bytes.length / 3 };
	result = tls_output(tls, link, pieces, 2, &out);
	MUST(result == (end->open ? TLS_OPEN : TLS_FAILED));
	if (result == TLS_OPEN)
		world_bytes_add(&end->to_client, bytes.at, bytes.length);
	world_bytes_free(&bytes);
}

/* Load a good pair, a second one that costs more time, or such that must be refused. */
static void reload(uint8_t how)
{
	static const char bad[] = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
	struct tls_text texts[2] = {
		{ pem_ec_certificate, sizeof pem_ec_certificate - 1, pem_ec_key,
		    sizeof pem_ec_key - 1 },
		{ pem_rsa_certificate, sizeof pem_rsa_certificate - 1, pem_rsa_key,
		    sizeof pem_rsa_key - 1 }
	};
	char error[TLS_ERROR_MAX];
	size_t wrong;

	if (how % 4 == 1) {
		texts[1].certificates = bad;
		texts[1].certificates_size = sizeof bad - 1;
	}
	has_rsa |= how % 4 > 1;
	MUST(tls_load(tls, texts, has_rsa || how % 4 == 1 ? 2 : 1, &wrong, error) ==
	    (how % 4 != 1));
	MUST(how % 4 != 1 || wrong == 1);
}

static void spoil(struct end *end, struct input *input)
{
	unsigned at = input_two(input);
	uint8_t with = input_byte(input);

	client_takes(end);
	end->clean = false;
	if (end->between.in.length > 0)
		end->between.in.at[at % end->between.in.length] ^= with;
}

/* Bytes as a record; a link that has no client may begin so. With types from 128 on it says that
 * it is longer than it is. */
static void record(struct end *end, struct input *input)
{
	uint8_t type = input_byte(input);
	struct input part = input_part(input, input_byte(input));
	const uint8_t head[] = { type < 128 ? type : 22, 3, (uint8_t)(type % 5),
		(uint8_t)(type < 128 ? 0 : type - 128), (uint8_t)part.left };

	end->clean = false;
	end->alive = true;
	world_bytes_add(&end->between.in, head, sizeof head);
	world_bytes_add(&end->between.in, part.at, part.left);
}

static void finish(uint32_t link)
{
	struct end *end = &ends[link];
	struct tls_sink out = sink(end);

	tls_close(tls, link, &out);
	end->alive &= !end->open;
	end->open = false;
	client_takes(end);
}

static void operate(struct input *input)
{
	uint8_t what = input_byte(input);
	uint32_t link = input_byte(input) % LINKS + 1;
	struct end *end = &ends[link];

	switch (what % 11) {
	case 0: begin(link, input_byte(input)); break;
	case 1: hear(link, input_byte(input)); break;
	case 2: say(link, input_byte(input)); break;
	case 3: deliver(link, input_byte(input)); break;
	case 4:
		/* Who ends a handshake breaks it off. */
		end->clean &= end->open;
		end->closing = true;
		if (end->cipher != NULL)
			cipher_end(end->cipher);
		break;
	case 5: finish(link); break;
	case 6: forget(link); break;
	case 7: record(end, input); break;
	case 8: spoil(end, input); break;
	case 9:
		end->clean = false;
		if (end->cipher != NULL)
			cipher_renegotiate(end->cipher);
		break;
	default:
		if (reloads++ < RELOADS_MAX)
			reload(input_byte(input));
	}
}

/* -- all together ------------------------------------------------------------------------ */

static void check_totals(void)
{
	struct tls_totals totals = tls_totals(tls);
	uint32_t open = 0, link;

	for (link = 1; link <= LINKS; link++)
		open += ends[link].open;
	MUST(totals.open - totals.handshaking == open);
	MUST((totals.image_bytes > 0) == (open > 0) && totals.handshaking <= LINKS);
}

int fuzz_tls(const uint8_t *data, size_t size)
{
	struct input input = { data, size };
	uint8_t how = input_byte(&input);
	struct tls_options options = { .links = LINKS, .handshakes = how & 2 ? 1 : LINKS,
		.sessions = how & 4 ? 0 : 3, .whole = how & 1 };
	uint32_t link;
	int operations = 0;

	world_begin();
	cipher_begin();
	memset(ends, 0, sizeof ends);
	plain = malloc(TLS_PLAIN_MAX);
	if (plain == NULL)
		abort();
	tls = tls_init(place_zeros(PLACE_TLS, tls_size(&options)), &options);
	has_rsa = false;
	reloads = 0;
	reload(how & 8 ? 2 : 0);
	while (input.left > 0 && operations++ < OPERATIONS_MAX) {
		operate(&input);
		check_totals();
	}
	for (link = 1; link <= LINKS; link++)
		forget(link);
	check_totals();
	MUST(tls_totals(tls).open == 0);
	tls_free(tls);
	free(plain);
	world_end();
	return 0;
}
