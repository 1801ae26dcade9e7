/* image.c - see image.h */
#include "image.h"

#include <string.h>

#include "pages.h"

#define SLAB_SIZE 65536             /* images of one size class share a slab */
/* Bytes of address space per link, more than an image takes, and slabs for classes that are begun;
 * a test makes them small. */
#ifdef TLS_IMAGE_RESERVED
#define IMAGE_RESERVED TLS_IMAGE_RESERVED
#define SLABS_SPARE TLS_SLABS_SPARE
#else
#define IMAGE_RESERVED 1024
#define SLABS_SPARE 16
#endif

typedef uint64_t word;              /* the unit in which contexts are compared */

#define CONTEXT_WORDS (sizeof(br_ssl_server_context) / sizeof(word))

_Static_assert(sizeof(br_ssl_server_context) % sizeof(word) == 0, "a context is whole words");

/* -- memory ------------------------------------------------------------------------- */

void image_wipe(void *memory, size_t size)
{
	volatile uint8_t *at = memory;

	while (size-- > 0)
		*at++ = 0;
}

static size_t links_size(uint32_t links)
{
	return pages_round(((size_t)links + 1) * sizeof(struct image_link));
}

static uint32_t slabs_for(uint32_t links, bool whole)
{
	uint64_t each = whole ? IMAGE_CLASSES * IMAGE_STEP : IMAGE_RESERVED;

	return (uint32_t)((links * each + SLAB_SIZE - 1) / SLAB_SIZE) + SLABS_SPARE;
}

size_t images_size(uint32_t links, bool whole)
{
	return links_size(links) + (size_t)slabs_for(links, whole) * SLAB_SIZE;
}

void images_init(struct images *images, void *memory, uint32_t links, bool whole)
{
	images->link = memory;
	images->memory = (uint8_t *)memory + links_size(links);
	images->slabs = slabs_for(links, whole);
	images->whole = whole;
}

void images_template(struct images *images)
{
	images->template = images->work;
}

/* -- slabs ---------------------------------------------------------------------------- */

/*
 * Images of one size class fill slabs without a gap: where one is given back the last moves in. So
 * a slab is free again when the images that are left need fewer, and may serve any class. Slabs
 * count from 1; a place counts steps.
 */

/* An image: this, then each run's place and length in words, then the words of all runs. */
struct image {
	uint32_t link;              /* whose it is */
	uint32_t runs;
};

struct run {
	uint16_t at, count;
};

static uint8_t *image_at(const struct images *images, uint32_t place)
{
	return images->memory + (size_t)place * IMAGE_STEP;
}

static uint32_t slab_place(uint32_t slab)
{
	return (slab - 1) * (SLAB_SIZE / IMAGE_STEP);
}

/* How many images of a class are in a slab, whose first step is for the number of another. */
static uint32_t slab_images(unsigned class)
{
	return (SLAB_SIZE / IMAGE_STEP - 1) / class;
}

static uint32_t slab_pop(const struct images *images, uint32_t *list)
{
	uint32_t slab = *list;

	memcpy(list, image_at(images, slab_place(slab)), sizeof *list);
	return slab;
}

static void slab_push(const struct images *images, uint32_t *list, uint32_t slab)
{
	memcpy(image_at(images, slab_place(slab)), list, sizeof *list);
	*list = slab;
}

static uint32_t shelf_last(const struct image_shelf *shelf, unsigned class)
{
	return slab_place(shelf->slab) + 1 + (shelf->used - 1) * class;
}

/* A place for an image of a class, 0 if there is none left. */
static uint32_t image_take(struct images *images, unsigned class)
{
	struct image_shelf *shelf = &images->shelf[class];

	if (shelf->slab == 0 || shelf->used == slab_images(class)) {
		if (images->free_slab != 0)
			slab_push(images, &shelf->slab, slab_pop(images, &images->free_slab));
		else if (images->slabs_used < images->slabs)
			slab_push(images, &shelf->slab, ++images->slabs_used);
		else
			return 0;
		shelf->used = 0;
	}
	shelf->used++;
	return shelf_last(shelf, class);
}

static void image_give(struct images *images, struct image_link *link)
{
	struct image_shelf *shelf = &images->shelf[link->class];
	size_t size = (size_t)link->class * IMAGE_STEP;
	uint32_t last = shelf_last(shelf, link->class);
	struct image head;

	if (link->place != last) {
		memcpy(image_at(images, link->place), image_at(images, last), size);
		memcpy(&head, image_at(images, last), sizeof head);
		images->link[head.link].place = link->place;
	}
	image_wipe(image_at(images, last), size);
	if (--shelf->used == 0) {
		slab_push(images, &images->free_slab, slab_pop(images, &shelf->slab));
		shelf->used = slab_images(link->class);
	}
	images->bytes -= size;
	*link = (struct image_link){ 0 };
}

/* -- what is kept ----------------------------------------------------------------------- */

/* What a context no longer needs once its handshake is over: it is set back to the template's, so
 * that no image holds it. Everything else is kept wherever it differs, whatever it is. */
#define DEAD(field) { offsetof(br_ssl_server_context, field), \
	sizeof(((br_ssl_server_context *)NULL)->field) }

static const struct { uint16_t at, size; } dead[] = {
	DEAD(eng.pad),              /* where handshake messages were put together */
	DEAD(eng.mhash.buf), DEAD(eng.mhash.count),         /* the hash of those messages */
	DEAD(eng.mhash.val_32), DEAD(eng.mhash.val_64),
	DEAD(eng.client_random), DEAD(eng.server_random),   /* went into the keys */
	DEAD(eng.ecdhe_curve), DEAD(eng.ecdhe_point),       /* the client's share */
	DEAD(eng.ecdhe_point_len),
	DEAD(ecdhe_key), DEAD(ecdhe_key_len),               /* and this side's */
	DEAD(eng.session),          /* the master secret: the cache has it */
	DEAD(eng.server_name),      /* has chosen the certificate */
	DEAD(eng.saved_finished),   /* for renegotiation, which is refused */
	DEAD(eng.rng), DEAD(eng.rng_init_done),             /* gave the randoms and the share; */
	DEAD(eng.rng_os_rand_done),                         /* records need none */
	DEAD(eng.suites_buf),       /* what was offered */
	DEAD(client_max_version), DEAD(client_suites), DEAD(client_suites_num), DEAD(hashes),
	DEAD(curves), DEAD(sign_hash_id), DEAD(eng.protocol_names_num), DEAD(eng.selected_protocol),
	DEAD(eng.chain), DEAD(eng.chain_len), DEAD(eng.cert_cur), DEAD(eng.cert_len),
	DEAD(policy_vtable), DEAD(cache_vtable),            /* set when a handshake begins */
	DEAD(eng.hbuf_in), DEAD(eng.hbuf_out),              /* set before each use */
	DEAD(eng.saved_hbuf_out), DEAD(eng.hlen_in), DEAD(eng.hlen_out), DEAD(eng.action)
#ifdef TLS_DEAD_WRONG               /* for a test: what a BearSSL that changed might do */
	, DEAD(eng.out)
#endif
};

static void clear_dead(struct images *images)
{
	size_t i;

	for (i = 0; i < sizeof dead / sizeof dead[0]; i++)
		memcpy((uint8_t *)&images->work + dead[i].at,
		    (const uint8_t *)&images->template + dead[i].at,
		    dead[i].size);
}

#ifdef TLS_DEAD_GARBAGE
/* For tests: what is dead may be anything. */
static void spoil_dead(struct images *images)
{
	size_t i;

	for (i = 0; i < sizeof dead / sizeof dead[0]; i++)
		memset((uint8_t *)&images->work + dead[i].at, 0xa5, dead[i].size);
}
#endif

static bool word_differs(const struct images *images, unsigned at)
{
	word work, template;

	memcpy(&work, (const uint8_t *)&images->work + at * sizeof(word), sizeof work);
	memcpy(&template, (const uint8_t *)&images->template + at * sizeof(word), sizeof template);
	return work != template;
}

/* Find the runs of words in which the working context differs from the template. */
static unsigned find_runs(const struct images *images, struct run runs[CONTEXT_WORDS],
    unsigned *words)
{
	unsigned count = 0, at = 0;

	*words = 0;
	if (images->whole) {
		*runs = (struct run){ 0, CONTEXT_WORDS };
		*words = CONTEXT_WORDS;
		return 1;
	}
	while (at < CONTEXT_WORDS) {
		if (!word_differs(images, at)) {
			at++;
			continue;
		}
		runs[count].at = (uint16_t)at;
		while (at < CONTEXT_WORDS && word_differs(images, at))
			at++;
		runs[count].count = (uint16_t)(at - runs[count].at);
		*words += runs[count++].count;
	}
	return count;
}

bool image_freeze(struct images *images, uint32_t number)
{
	struct image_link *link = &images->link[number];
	struct image head = { .link = number };
	struct run runs[CONTEXT_WORDS];
	unsigned words, count, class, i;
	uint8_t *at;

	if (!images->whole)
		clear_dead(images);
	head.runs = count = find_runs(images, runs, &words);
	class = (unsigned)((sizeof head + count * sizeof(struct run) + words * sizeof(word) +
	    IMAGE_STEP - 1) / IMAGE_STEP);
	if (link->class != class) {
		image_drop(images, number);
		link->place = image_take(images, class);
		if (link->place == 0)
			return false;
		link->class = (uint8_t)class;
		images->bytes += (uint64_t)class * IMAGE_STEP;
	}
	at = image_at(images, link->place);
	memcpy(at, &head, sizeof head);
	at += sizeof head;
	memcpy(at, runs, count * sizeof(struct run));
	at += count * sizeof(struct run);
	for (i = 0; i < count; i++) {
		memcpy(at, (const uint8_t *)&images->work + runs[i].at * sizeof(word),
		    runs[i].count * sizeof(word));
		at += runs[i].count * sizeof(word);
	}
	return true;
}

void image_thaw(struct images *images, uint32_t number)
{
	const uint8_t *image = image_at(images, images->link[number].place), *runs, *words;
	struct image head;
	struct run run;
	unsigned i;

	memcpy(&head, image, sizeof head);
	runs = image + sizeof head;
	words = runs + head.runs * sizeof run;
	images->work = images->template;
	for (i = 0; i < head.runs; i++) {
		memcpy(&run, runs + i * sizeof run, sizeof run);
		memcpy((uint8_t *)&images->work + run.at * sizeof(word), words,
		    run.count * sizeof(word));
		words += run.count * sizeof(word);
	}
#ifdef TLS_DEAD_GARBAGE
	if (!images->whole)
		spoil_dead(images);
#endif
}


void image_drop(struct images *images, uint32_t number)
{
	if (images->link[number].class != 0)
		image_give(images, &images->link[number]);
}
