/* test_state.c - when the state is saved, and what is told of that; opener and server are this
 * file's. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../state.h"

static char folder[] = "/tmp/test_state-XXXXXX";
static struct opener opener = { .fd = -1 };
static struct state state;

/* -- what it stands on ------------------------------------------------------------------------ */

static uint64_t now = 5000000;          /* ms */
static uint8_t memory[UWT_HISTORY_MAX];
static unsigned content;                /* of the history: it changes with this */
static int saves;                       /* that were asked for */
static int save_fault;                  /* how the asking fails; 0: it does not */
static int saved_fault;                 /* how the next save ends; EINPROGRESS: not yet */
static char restored[64];               /* what the server was handed */

int __wrap_clock_gettime(clockid_t clock, struct timespec *time);
int __wrap_clock_gettime(clockid_t clock, struct timespec *time)
{
	(void)clock;
	*time = (struct timespec){ (time_t)(now / 1000), (long)(now % 1000 * 1000000) };
	return 0;
}

/* Waiting takes as long as it may. */
int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout);
int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout)
{
	CHECK(count == 1 && fds[0].fd == -1 && timeout > 0);
	now += 100;
	return 0;
}

void *opener_memory(const struct opener *of)
{
	CHECK(of == &opener);
	return memory;
}

bool opener_save(struct opener *of, size_t size)
{
	CHECK(of == &opener && size == 40 + content % 10);
	saves++;
	errno = save_fault;
	return save_fault == 0;
}

int opener_saved(struct opener *of)
{
	CHECK(of == &opener);
	return saved_fault;
}

/* Text and the mark: as a digest it changes with the content, and with nothing else. */
size_t uwt_server_history(const struct uwt_server *server, uint8_t *out)
{
	size_t size = 40 + content % 10;

	(void)server;
	memset(out, 'h', size);
	snprintf((char *)out + size - UWT_HISTORY_MARK, UWT_HISTORY_MARK, "%u", content);
	return size;
}

const char *uwt_server_restore(struct uwt_server *server, const uint8_t *data, size_t length)
{
	(void)server;
	if (length < 40)
		return "it is damaged";
	snprintf(restored, sizeof restored, "%.*s", (int)length, (const char *)data);
	return NULL;
}

/* -- what it says ----------------------------------------------------------------------------- */

static char told[512];
static int tells;

void log_line(const struct log *log, enum log_level level, const char *format, ...)
{
	va_list list;

	CHECK(log == NULL && level == LOG_WARNING);
	va_start(list, format);
	vsnprintf(told, sizeof told, format, list);
	va_end(list);
	tells++;
}

/* A text with what the C library calls an error. */
static const char *with_fault(const char *text, int fault)
{
	static char whole[200];

	snprintf(whole, sizeof whole, "%s%s", text, strerror(fault));
	return whole;
}

#define FAILS(fault) with_fault("it cannot be saved: ", fault)

/* Was exactly this told, after the file's name? NULL: nothing. */
static bool says(const char *text)
{
	char whole[512] = "";
	bool same;

	if (text != NULL)
		snprintf(whole, sizeof whole, "%s/history: %s", folder, text);
	same = tells == (text != NULL) && strcmp(told, whole) == 0;
	if (!same)
		printf("told %d times: `%s`\n", tells, told);
	tells = 0;
	told[0] = '\0';
	return same;
}

static const char *path_of(const char *name)
{
	static char path[128];

	snprintf(path, sizeof path, "%s/%s", folder, name);
	return path;
}

static bool exists(const char *name)
{
	struct stat status;

	return lstat(path_of(name), &status) == 0;
}

static bool start(void)
{
	static int held = -1;
	char error[UWT_ERROR_MAX] = "";
	bool good;

	restored[0] = '\0';
	saves = save_fault = saved_fault = 0;
	if (held >= 0)
		close(held);
	state = (struct state){ .folder = folder, .opener = &opener };
	good = state_start(&state, error) && error[0] == '\0';
	held = dup(state.lock);         /* the same lock, whatever becomes of that one */
	close(state.lock);
	state.lock = -1;
	return good;
}

/* Who has the folder has it alone. */
static void locked(void)
{
	static const volatile sig_atomic_t stop = 2;
	struct state other = { .folder = folder, .opener = &opener };
	struct state first = other;
	char error[UWT_ERROR_MAX] = "";

	CHECK(state_start(&first, error));
	CHECK(!state_start(&other, error) && strstr(error, "another uwt uses it") != NULL);
	state_end(&first, &stop);
	CHECK(state_start(&other, error));
	state_end(&other, &stop);
}

/* A turn after so many ms. Returns how many saves it asked for. */
static int turn(uint64_t ms)
{
	int before = saves;

	now += ms;
	state_turn(&state);
	return saves - before;
}

/* -- the start -------------------------------------------------------------------------------- */

static void put_file(const char *name, const void *bytes, size_t size)
{
	FILE *file = fopen(path_of(name), "w");

	CHECK(file != NULL && fwrite(bytes, 1, size, file) == size && fclose(file) == 0);
}

/* Put down what the server would have saved. */
static void put_history(void)
{
	uint8_t bytes[64];

	put_file("history", bytes, uwt_server_history(NULL, bytes));
}

static void without_a_folder_nothing_happens(void)
{
	char error[UWT_ERROR_MAX] = "";
	const volatile sig_atomic_t stop = 0;

	state = (struct state){ .folder = NULL };
	CHECK(state_start(&state, error));
	CHECK(state_wait(&state) == -1);
	state_turn(&state);
	state_close(&state);
	state_end(&state, &stop);
	CHECK(says(NULL) && saves == 0);
}

static void the_first_start_has_no_file(void)
{
	CHECK(start());
	CHECK(says(NULL) && restored[0] == '\0' && !exists("history") && !exists("history.new"));
	CHECK(state_wait(&state) == STATE_INTERVAL);
}

static void what_was_saved_is_handed_on(void)
{
	put_history();
	CHECK(start());
	CHECK(says(NULL) && strncmp(restored, "hhhh", 4) == 0);
	CHECK(exists("history") && !exists("history.damaged"));
	/* Nothing has changed yet. */
	CHECK(turn(STATE_INTERVAL) == 0);
	content++;
	CHECK(turn(STATE_INTERVAL - 1) == 0);
	CHECK(turn(1) == 1);
	CHECK(unlink(path_of("history")) == 0);
}

static void damaged_files_are_set_aside(void)
{
	static char large[UWT_HISTORY_MAX + 1];
	int fd;

	put_file("history", "damaged", 7);
	CHECK(start());
	CHECK(says("it is damaged: set aside as history.damaged"));
	CHECK(!exists("history") && exists("history.damaged"));
	CHECK(turn(STATE_INTERVAL) == 1);
	put_file("history", large, sizeof large);
	CHECK(start());
	CHECK(says("File too large: set aside as history.damaged"));
	CHECK(unlink(path_of("history.damaged")) == 0);
	CHECK(mkdir(path_of("history"), 0755) == 0);
	CHECK(start());
	CHECK(says("it is no file: set aside as history.damaged"));
	put_file("history", "", 0);
	CHECK(start());
	CHECK(says(with_fault("it is damaged; it cannot be set aside: ", EISDIR)));
	CHECK(unlink(path_of("history")) == 0 && rmdir(path_of("history.damaged")) == 0);
	/* A pipe, of which the end would not come. */
	CHECK(mkfifo(path_of("history"), 0644) == 0);
	fd = open(path_of("history"), O_RDWR);
	CHECK(fd >= 0 && start());
	CHECK(says("it is no file: set aside as history.damaged"));
	CHECK(close(fd) == 0 && unlink(path_of("history.damaged")) == 0);
}

static void folders_are_wrong(void)
{
	char error[UWT_ERROR_MAX] = "", wanted[UWT_ERROR_MAX], longest[400];

	state = (struct state){ .folder = path_of("none"), .opener = &opener };
	snprintf(wanted, sizeof wanted, "--state-dir %s: No such file or directory", state.folder);
	CHECK(!state_start(&state, error) && strcmp(error, wanted) == 0);
	put_file("file", "", 0);
	state.folder = path_of("file");
	snprintf(wanted, sizeof wanted, "--state-dir %s: Not a directory", state.folder);
	CHECK(!state_start(&state, error) && strcmp(error, wanted) == 0);
	CHECK(unlink(path_of("file")) == 0);
	memset(longest, 'a', sizeof longest);
	longest[sizeof longest - 1] = '\0';
	state.folder = longest;
	CHECK(!state_start(&state, error) && strstr(error, strerror(ENAMETOOLONG)) != NULL);
	CHECK(says(NULL));
}

/* -- saving ----------------------------------------------------------------------------------- */

static void saves_have_their_times(void)
{
	CHECK(start());
	CHECK(turn(STATE_INTERVAL - 1) == 0 && state_wait(&state) == 1);
	CHECK(turn(1) == 1);
	CHECK(turn(1) == 0 && state_wait(&state) == STATE_INTERVAL - 1);
	CHECK(turn(STATE_INTERVAL) == 0);       /* nothing has changed */
	content++;
	CHECK(turn(STATE_INTERVAL / 2) == 0);
	CHECK(turn(STATE_INTERVAL / 2) == 1);
	CHECK(says(NULL));
}

/* Until the opener has answered, its memory is not touched. */
static void saves_come_one_by_one(void)
{
	CHECK(start());
	saved_fault = EINPROGRESS;
	CHECK(turn(STATE_INTERVAL) == 1);
	memset(memory, 'x', sizeof memory);
	content++;
	CHECK(turn(10) == 0);
	CHECK(state_wait(&state) > 0 && state_wait(&state) <= 1000);
	CHECK(says(NULL));
	CHECK(turn(STATE_INTERVAL) == 0);
	CHECK(says(FAILS(ETIMEDOUT)));
	CHECK(turn(STATE_INTERVAL) == 0);
	CHECK(says(NULL));
	CHECK(memory[0] == 'x' && memory[39] == 'x');
	saved_fault = 0;
	CHECK(turn(10) == 0);
	CHECK(says("it is saved again"));
	CHECK(turn(STATE_INTERVAL) == 1 && memory[0] == 'h');
}

/* Told once, and tried again. */
static void failures_are_told_once(void)
{
	CHECK(start());
	saved_fault = ENOSPC;
	CHECK(turn(STATE_INTERVAL) == 1);
	CHECK(turn(1) == 0);
	CHECK(says(FAILS(ENOSPC)));
	CHECK(turn(STATE_INTERVAL) == 1);       /* though nothing has changed */
	saved_fault = EROFS;
	CHECK(turn(1) == 0);
	save_fault = ESRCH;
	CHECK(turn(STATE_INTERVAL) == 1);
	CHECK(turn(STATE_INTERVAL) == 1);
	CHECK(says(NULL));
	save_fault = saved_fault = 0;
	CHECK(turn(STATE_INTERVAL) == 1);
	CHECK(says(NULL));
	CHECK(turn(1) == 0);
	CHECK(says("it is saved again"));
	CHECK(turn(STATE_INTERVAL) == 0);
	content++;
	save_fault = ESRCH;
	CHECK(turn(STATE_INTERVAL) == 1);
	CHECK(says("it cannot be saved: the process that saves it has ended"));
}

/* After a failure the file may be the one before: it is saved though nothing has changed. */
static void failures_make_known_nothing(void)
{
	CHECK(start());
	CHECK(turn(STATE_INTERVAL) == 1 && turn(1) == 0);
	content++;
	saved_fault = EIO;
	CHECK(turn(STATE_INTERVAL) == 1 && turn(1) == 0);
	content--;
	saved_fault = 0;
	CHECK(turn(STATE_INTERVAL) == 1 && turn(1) == 0);
	CHECK(tells == 2);
	tells = 0;
	told[0] = '\0';
}

/* -- the end ---------------------------------------------------------------------------------- */

static void the_end_saves(void)
{
	const volatile sig_atomic_t stop = 1;

	CHECK(start());
	state_close(&state);
	CHECK(saves == 1);
	state_end(&state, &stop);
	CHECK(saves == 1 && says(NULL));
	/* Nothing has changed since. */
	CHECK(start());
	CHECK(turn(STATE_INTERVAL) == 1 && turn(1) == 0);
	state_close(&state);
	state_end(&state, &stop);
	CHECK(saves == 1 && says(NULL));
	/* One was under way. */
	CHECK(start());
	saved_fault = EINPROGRESS;
	CHECK(turn(STATE_INTERVAL) == 1);
	content++;
	state_close(&state);
	CHECK(saves == 1 && turn(1) == 0);
	CHECK(state_wait(&state) > 0 && state_wait(&state) <= 100);
	saved_fault = 0;
	CHECK(turn(1) == 1);
	state_end(&state, &stop);
	CHECK(saves == 2 && says(NULL));
}

static void the_end_does_not_wait_for_long(void)
{
	const volatile sig_atomic_t once = 1, twice = 2;
	uint64_t began;

	CHECK(start());
	saved_fault = EINPROGRESS;
	began = now;
	state_close(&state);
	now += 200;
	state_end(&state, &once);
	CHECK(now - began >= STATE_PATIENCE && now - began < STATE_PATIENCE + 200);
	CHECK(says(FAILS(ETIMEDOUT)));
	CHECK(start());
	saved_fault = EINPROGRESS;
	began = now;
	state_close(&state);
	state_end(&state, &twice);
	CHECK(now == began && says(NULL));
	/* It was told twice to end at once. */
	CHECK(start());
	state_end(&state, &twice);
	CHECK(now == began && saves == 0 && says(NULL));
	CHECK(start());
	save_fault = ESRCH;
	state_close(&state);
	state_end(&state, &once);
	CHECK(says("it cannot be saved: the process that saves it has ended"));
}

int main(void)
{
	CHECK(mkdtemp(folder) != NULL);
	RUN(without_a_folder_nothing_happens);
	RUN(locked);
	RUN(the_first_start_has_no_file);
	RUN(what_was_saved_is_handed_on);
	RUN(damaged_files_are_set_aside);
	RUN(folders_are_wrong);
	RUN(saves_have_their_times);
	RUN(saves_come_one_by_one);
	RUN(failures_are_told_once);
	RUN(failures_make_known_nothing);
	RUN(the_end_saves);
	RUN(the_end_does_not_wait_for_long);
	CHECK(rmdir(folder) == 0);
	return test_end();
}
