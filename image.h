/*
 * image.h - TLS contexts that are made small while they wait.
 *
 * A context of BearSSL works at one address only, because it holds pointers into itself: `work`. All
 * start as a copy of `template`, which was set up at that address and never reset. Between two
 * records of an established link its context is kept as an image: the words in which it differs from
 * the template. What it needs no more once its handshake is over (the table `dead` in image.c) was
 * set back to the template's before. A word is kept whatever it is, so this holds for whatever
 * BearSSL keeps there; the trial (trial.h) tells if it does not, and then contexts are kept whole.
 *
 * Images have size classes and lie in slabs without a gap, so a slab that is no longer needed serves
 * any class.
 */
#ifndef IMAGE_H
#define IMAGE_H

#if defined __has_include
#if !__has_include(<bearssl.h>)
#error "no bearssl.h: install BearSSL (libbearssl-dev on Debian), or leave TLS out: make TLS=no"
#endif
#endif
#include <bearssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IMAGE_STEP 32               /* bytes by which the classes of images differ */
#define IMAGE_CLASSES 136           /* up to more than a whole context with its table of runs */

/* What a link has: nothing (all 0), an image, or with class 0 what place means to the user. */
struct image_link {
	uint32_t place;             /* of its image, in steps */
	uint8_t class;              /* the image's size, in steps */
};

struct image_shelf {
	uint32_t slab;              /* the last of a class; each begins with the one before */
	uint32_t used;              /* images in it */
};

struct images {
	br_ssl_server_context work;
	br_ssl_server_context template;
	struct image_link *link;    /* by number, from 1 */
	uint64_t bytes;             /* that images take now */
	/* the rest is image.c's */
	bool whole;
	uint8_t *memory;
	uint32_t slabs, slabs_used; /* how many there are, and were ever used */
	uint32_t free_slab;         /* given back; each begins with the next's number */
	struct image_shelf shelf[IMAGE_CLASSES];    /* by size class */
};

/* The memory for the images of so many links; whole: contexts are not made smaller. */
size_t images_size(uint32_t links, bool whole);

/* Set up in images_size bytes of zeros, which stay the caller's. */
void images_init(struct images *images, void *memory, uint32_t links, bool whole);

/* The working context, set up and not reset, is what all start from. */
void images_template(struct images *images);

/* Keep the working context as a link's image. False if there is no room: then it has none. */
bool image_freeze(struct images *images, uint32_t number);

/* Make a link's context the working one. The image stays, and is wrong after the next record. */
void image_thaw(struct images *images, uint32_t number);

/* Forget a link's image, if it has one. */
void image_drop(struct images *images, uint32_t number);

/* A memset to 0 that no compiler leaves out. */
void image_wipe(void *memory, size_t size);

#endif
