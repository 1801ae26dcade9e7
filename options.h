/*
 * options.h - the command line and the config file.
 *
 * One table in options.c serves the command line, the config file and --help.
 */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server.h"

#define OPTIONS_LIST_MAX 16
#define OPTIONS_ERROR_MAX 512
#define METRICS_HOST_MAX 64

/* The values of an option that may be repeated. */
struct option_list {
	const char *items[OPTIONS_LIST_MAX];
	size_t count;
	bool from_config;           /* the command line's replace them */
};

struct options {
	struct uwt_options server;
	uint16_t port;
	struct option_list hosts;
	struct option_list certificates, keys;      /* files; as many of one as of the other */
	const char *index;          /* file for /, "none", or NULL */
	const char *config;
	bool quiet, silent;
	const char *log;            /* "text" or "json"; NULL: text, of what is wrong only */
	const char *allow_list, *deny_list;     /* files of info_hashes; NULL: none */
	const char *filter, *hook;  /* commands; NULL: none */
	const char *filter_fail;    /* "open", "closed" or NULL, which is the same */
	const char *metrics;        /* what --metrics says; NULL: nothing */
	bool metrics_listen;        /* it names a port of its own, and this is it: */
	char metrics_host[METRICS_HOST_MAX];    /* "": localhost */
	uint16_t metrics_port;
	const char *state_dir;      /* folder for what outlives the program; NULL: none */
	const char *user;           /* to become after the start; NULL: none */
	bool sandbox;               /* give up what serving does not take */
	bool version, help;         /* print that and end */
	char *config_text;          /* the config file, to which strings above may point */
};

/*
 * Read the command line and the config file that it names; the command line wins. Returns false
 * with one line in error, which names the word that is wrong and what is allowed. Strings point
 * into argv or into the file's text. Either way options_free is due at the end.
 */
bool options_read(struct options *options, int argc, char **argv,
    char error[static OPTIONS_ERROR_MAX]);

void options_free(struct options *options);

/* Print the usage to stdout. */
void options_help(void);

#endif
