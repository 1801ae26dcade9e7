# uwt: a WebTorrent tracker
#
#   make            build ./uwt; needs a C compiler and BearSSL, and installs nothing
#   make run        install what is missing, build, start on port 8000
#   make test       install what is missing, build and run the tests (a minute or three)
#   make test-clients   the same with real clients: browsers, WebTorrent, libtorrent
#   make test-faults    make every system call fail, one by one (over a minute)
#   make test-soak      let thousands of peers misbehave for half an hour, or SOAK_SECONDS
#   make fuzz       run each fuzzer for FUZZ_SECONDS (60); needs clang
#   make bench      compare with other trackers; needs Linux and two cores
#   make lib        build libuwt.a and libuwt.so, which the program does without: see man/uwt.3
#   make install    to PREFIX, all of it; install-program and install-lib install a half each
#   make uninstall; make dist; make clean
#
# TLS=no leaves TLS out, and with it BearSSL.
# POLL chooses how readiness is found: epoll (the default on Linux) or posix (poll(2), elsewhere).
# FLAGS tries what the compiler and the linker know for hardening; `make FLAGS=:` does without.
# SANDBOX chooses how rights are given up: linux, openbsd (both by default there) or none.

PREFIX = /usr/local
SBINDIR = $(PREFIX)/sbin
LIBDIR = $(PREFIX)/lib
INCLUDEDIR = $(PREFIX)/include
MANDIR = $(PREFIX)/share/man
DATADIR = $(PREFIX)/share/uwt
CFLAGS = -Os -g -fno-asynchronous-unwind-tables -ffunction-sections
TRIM = -Wl,--gc-sections
SPEED = -O2
WARNINGS = -Wall -Wextra -Wpedantic -Wshadow -Wconversion
# The latter two give systems of 32 bits a time that goes on after 2038.
DEFINES = -D_DEFAULT_SOURCE -D_FILE_OFFSET_BITS=64 -D_TIME_BITS=64
FLAGS = sh contrib/flags
POLL = auto
SANDBOX = auto
TLS = yes
DEPS_yes = build
DEPS_no = plain
TLS_OBJECTS_yes = image.o keys.o secure.o tls.o trial.o
TLS_OBJECTS_no = notls.o
TLS_LIBRARIES_yes = -lbearssl
TLS_LIBRARIES_no =
VERSION = 4.0.0
SONAME = libuwt.so.4
# What makes the inner names of an archive local. `make OBJCOPY=:` leaves them visible.
OBJCOPY = objcopy

HEADERS = address.h buf.h certificates.h clock.h commands.h conns.h counters.h dashboard.h \
	file.h gate.h graph.h hash.h helper.h history.h http.h image.h inside.h json.h keys.h \
	list.h listen.h log.h machine.h metrics.h msg.h opener.h options.h output.h pages.h \
	peerid.h poll.h question.h quota.h rank.h report.h rights.h sandbox.h save.h server.h \
	sha1.h site.h state.h stats.h swarm.h text.h tls.h torrents.h tracker.h trial.h user.h \
	vitals.h ws.h
# The server, which is the library too; and the program around it.
SERVER = $(TLS_OBJECTS_$(TLS)) accept.o address.o ask.o buf.o conns.o dashboard.o graph.o hash.o \
	history.o http.o inbound.o json.o listen.o metrics.o msg.o outbound.o pages.o peerid.o \
	poll.o quota.o rank.o server.o sha1.o show.o site.o stats.o swarm.o text.o torrents.o \
	tracker.o ws.o
OBJECTS = $(SERVER) certificates.o commands.o file.o gate.o helper.o list.o log.o machine.o \
	opener.o options.o output.o question.o report.o rights.o sandbox.o save.o state.o user.o \
	vitals.o uwt.o
LIBRARIES = $(TLS_LIBRARIES_$(TLS))

all: uwt

# The file `flags` has what this compiler and linker know besides: hardening above all.
COMPILE = . ./flags; $(CC) -std=c11 $(DEFINES) $(WARNINGS) $$compile $(CPPFLAGS) $(CFLAGS)

uwt: $(OBJECTS)
	. ./flags; $(CC) $(CFLAGS) $(TRIM) $$link $(LDFLAGS) -o $@ $(OBJECTS) $(LIBRARIES)

flags: contrib/flags contrib/discard.ld settings
	CC="$(CC)" CFLAGS="$(CPPFLAGS) $(CFLAGS)" LDFLAGS="$(LDFLAGS)" $(FLAGS) >$@.new
	mv $@.new $@

.SUFFIXES: .c .o
.c.o:
	$(COMPILE) -c -o $@ $<

# Small code everywhere, but for the loops that see every byte.
buf.o: buf.c
	$(COMPILE) $(SPEED) -c -o $@ buf.c
hash.o: hash.c
	$(COMPILE) $(SPEED) -c -o $@ hash.c
json.o: json.c
	$(COMPILE) $(SPEED) -c -o $@ json.c
msg.o: msg.c
	$(COMPILE) $(SPEED) -c -o $@ msg.c
ws.o: ws.c
	$(COMPILE) $(SPEED) -c -o $@ ws.c

$(OBJECTS): $(HEADERS) Makefile settings flags

# Objects of other settings are made anew: this file changes when they do.
settings: FORCE
	@echo '$(COMPILE) $(SPEED) $(LDFLAGS) $(FLAGS) $(POLL) $(SANDBOX) $(TLS)' | cmp -s - $@ || \
	    echo '$(COMPILE) $(SPEED) $(LDFLAGS) $(FLAGS) $(POLL) $(SANDBOX) $(TLS)' >$@
FORCE:

site.o: page.h

poll.o: poll_epoll.c poll_posix.c
	poll=$(POLL); test $$poll != auto || case `uname -s` in Linux) poll=epoll ;; *) poll=posix ;; esac; \
	$(COMPILE) -c -o $@ poll_$$poll.c

sandbox.o: sandbox_linux.c sandbox_openbsd.c sandbox_none.c
	sandbox=$(SANDBOX); test $$sandbox != auto || \
	case `uname -s` in Linux) sandbox=linux ;; OpenBSD) sandbox=openbsd ;; *) sandbox=none ;; esac; \
	$(COMPILE) -c -o $@ sandbox_$$sandbox.c

# The library has objects of its own: at any address, and with all names hidden but those in
# server.h. It depends on the program's for what these depend on.
lib: libuwt.a libuwt.so

build/lib/libuwt.o: $(SERVER)
	mkdir -p build/lib
	poll=$(POLL); test $$poll != auto || case `uname -s` in Linux) poll=epoll ;; *) poll=posix ;; esac; \
	for object in $(SERVER); do \
		source=$${object%.o}.c speed=; \
		case $$object in poll.o) source=poll_$$poll.c ;; buf.o | hash.o | json.o | msg.o | ws.o) speed="$(SPEED)" ;; esac; \
		( $(COMPILE) $$speed -fPIC -fvisibility=hidden -c -o build/lib/$$object $$source ) || exit 1; \
		made="$$made build/lib/$$object"; \
	done; \
	$(CC) $(CFLAGS) -r -nostdlib -o $@ $$made

libuwt.so: build/lib/libuwt.o
	. ./flags; $(CC) $(CFLAGS) -shared -Wl,-soname,$(SONAME) $$shared $(LDFLAGS) -o $@ build/lib/libuwt.o $(LIBRARIES)

libuwt.a: build/lib/libuwt.o
	mkdir -p build/lib/local
	cp build/lib/libuwt.o build/lib/local/libuwt.o
	$(OBJCOPY) --localize-hidden build/lib/local/libuwt.o
	rm -f $@
	ar rc $@ build/lib/local/libuwt.o

# The landing page, as numbers.
page.h: index.html
	{ echo '/* made from index.html */'; echo 'static const unsigned char page_index[] = {'; \
	od -An -v -tu1 index.html | sed 's/^ *//; s/ *$$//; s/  */,/g; s/$$/,/'; echo '};'; } >$@.new
	mv $@.new $@

run:
	sh contrib/deps $(DEPS_$(TLS))
	$(MAKE) uwt
	./uwt

test:
	sh contrib/deps build test
	CC="$(CC)" POLL=$(POLL) SANDBOX=$(SANDBOX) TLS=$(TLS) CPPFLAGS="$(CPPFLAGS)" LDFLAGS="$(LDFLAGS)" sh test/run

test-clients: uwt
	sh test/clients/run ./uwt

test-faults:
	sh contrib/deps build test
	CC="$(CC)" CPPFLAGS="$(CPPFLAGS)" LDFLAGS="$(LDFLAGS)" sh test/faults

test-soak:
	sh contrib/deps build test
	CC="$(CC)" POLL=$(POLL) SANDBOX=$(SANDBOX) CPPFLAGS="$(CPPFLAGS)" LDFLAGS="$(LDFLAGS)" sh test/soak

fuzz:
	sh contrib/deps fuzz
	CPPFLAGS="$(CPPFLAGS)" LDFLAGS="$(LDFLAGS)" sh test/fuzz/run

bench: uwt
	sh contrib/deps build bench
	CC="$(CC)" TLS=$(TLS) CPPFLAGS="$(CPPFLAGS)" LDFLAGS="$(LDFLAGS)" sh bench/run

install: install-program install-lib

install-program: uwt
	mkdir -p $(DESTDIR)$(SBINDIR) $(DESTDIR)$(MANDIR)/man7 $(DESTDIR)$(MANDIR)/man8 $(DESTDIR)$(DATADIR)
	cp uwt $(DESTDIR)$(SBINDIR)/uwt
	chmod 755 $(DESTDIR)$(SBINDIR)/uwt
	cp man/uwt.7 $(DESTDIR)$(MANDIR)/man7/uwt.7
	cp man/uwt.8 $(DESTDIR)$(MANDIR)/man8/uwt.8
	chmod 644 $(DESTDIR)$(MANDIR)/man7/uwt.7 $(DESTDIR)$(MANDIR)/man8/uwt.8
	cp contrib/deploy-hook $(DESTDIR)$(DATADIR)/deploy-hook
	chmod 755 $(DESTDIR)$(DATADIR)/deploy-hook
	cp contrib/filter.sh contrib/filter.py $(DESTDIR)$(DATADIR)
	chmod 755 $(DESTDIR)$(DATADIR)/filter.sh $(DESTDIR)$(DATADIR)/filter.py
	cp contrib/alerts.yml contrib/grafana.json contrib/prometheus.yml $(DESTDIR)$(DATADIR)
	chmod 644 $(DESTDIR)$(DATADIR)/alerts.yml $(DESTDIR)$(DATADIR)/grafana.json $(DESTDIR)$(DATADIR)/prometheus.yml
	sed 's|/usr/local/sbin|$(SBINDIR)|' contrib/uwt.service >$(DESTDIR)$(DATADIR)/uwt.service
	chmod 644 $(DESTDIR)$(DATADIR)/uwt.service

install-lib: lib
	mkdir -p $(DESTDIR)$(LIBDIR)/pkgconfig $(DESTDIR)$(INCLUDEDIR) $(DESTDIR)$(MANDIR)/man3 $(DESTDIR)$(DATADIR)
	cp libuwt.a $(DESTDIR)$(LIBDIR)/libuwt.a
	cp libuwt.so $(DESTDIR)$(LIBDIR)/libuwt.so.$(VERSION)
	chmod 755 $(DESTDIR)$(LIBDIR)/libuwt.so.$(VERSION)
	ln -sf libuwt.so.$(VERSION) $(DESTDIR)$(LIBDIR)/$(SONAME)
	ln -sf $(SONAME) $(DESTDIR)$(LIBDIR)/libuwt.so
	cp server.h $(DESTDIR)$(INCLUDEDIR)/uwt.h
	sed -e 's|@PREFIX@|$(PREFIX)|; s|@LIBDIR@|$(LIBDIR)|; s|@INCLUDEDIR@|$(INCLUDEDIR)|' \
	    -e 's|@VERSION@|$(VERSION)|; s|@LIBRARIES@|$(LDFLAGS) $(LIBRARIES)|' \
	    contrib/uwt.pc >$(DESTDIR)$(LIBDIR)/pkgconfig/uwt.pc
	cp man/uwt.3 $(DESTDIR)$(MANDIR)/man3/uwt.3
	cp contrib/private-tracker.c $(DESTDIR)$(DATADIR)/private-tracker.c
	chmod 644 $(DESTDIR)$(LIBDIR)/libuwt.a $(DESTDIR)$(LIBDIR)/pkgconfig/uwt.pc $(DESTDIR)$(INCLUDEDIR)/uwt.h
	chmod 644 $(DESTDIR)$(MANDIR)/man3/uwt.3 $(DESTDIR)$(DATADIR)/private-tracker.c

uninstall:
	rm -f $(DESTDIR)$(LIBDIR)/libuwt.a $(DESTDIR)$(LIBDIR)/libuwt.so $(DESTDIR)$(LIBDIR)/$(SONAME)
	rm -f $(DESTDIR)$(LIBDIR)/libuwt.so.$(VERSION) $(DESTDIR)$(LIBDIR)/pkgconfig/uwt.pc
	rm -f $(DESTDIR)$(INCLUDEDIR)/uwt.h $(DESTDIR)$(MANDIR)/man3/uwt.3 $(DESTDIR)$(DATADIR)/private-tracker.c
	rm -f $(DESTDIR)$(SBINDIR)/uwt $(DESTDIR)$(MANDIR)/man7/uwt.7 $(DESTDIR)$(MANDIR)/man8/uwt.8
	rm -f $(DESTDIR)$(DATADIR)/deploy-hook $(DESTDIR)$(DATADIR)/uwt.service
	rm -f $(DESTDIR)$(DATADIR)/filter.sh $(DESTDIR)$(DATADIR)/filter.py
	rm -f $(DESTDIR)$(DATADIR)/alerts.yml $(DESTDIR)$(DATADIR)/grafana.json $(DESTDIR)$(DATADIR)/prometheus.yml
	-rmdir $(DESTDIR)$(DATADIR)

dist:
	git archive --format=tar --prefix=uwt-$(VERSION)/ HEAD | gzip -9 >uwt-$(VERSION).tar.gz

clean:
	rm -f uwt libuwt.a libuwt.so *.o settings flags flags.new page.h page.h.new uwt-$(VERSION).tar.gz
	rm -rf build

.PHONY: all lib run test test-clients test-faults test-soak fuzz bench install install-program install-lib uninstall \
	dist clean
