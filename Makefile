# moetrace.  make, make check, make demo, make bench, make lint, make asan check,
# make fuzz, make install (PREFIX, DESTDIR, NAMES=all|given|none), make refs, make deps; V=1 shows commands
# CUDA=auto|1|0: kernels where nvcc is, must be, never; make kernels ptxinfo gpu-check gpu-bench

# First of all, since what is found below depends on it.
$(if $(filter deps,$(MAKECMDGOALS)),$(info $(shell .ci/deps))$(if \
	$(filter-out 0,$(.SHELLSTATUS)),$(error deps: could not install what is missing)))

PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
LIBDIR ?= $(PREFIX)/lib
LIBEXECDIR ?= $(PREFIX)/libexec/moetrace
INCLUDEDIR ?= $(PREFIX)/include
MANDIR ?= $(PREFIX)/share/man
DATADIR ?= $(PREFIX)/share/moetrace
MODELS = $(wildcard examples/tiny-*)
COMPDIR ?= $(PREFIX)/share/bash-completion/completions
CFLAGS ?= -O2 -g
PKG_CONFIG ?= pkg-config
NAMES ?= all
B ?= build
Q := $(if $(V),,@)

VERSION = 0.1
TOOLS := $(wildcard tools/*/*.c) tools/moetrace.c
LIB := $(filter-out lib/mpi/%,$(wildcard lib/*/*.c))
UNIT := $(wildcard t/unit/*.c)
FUZZ := $(wildcard t/fuzz/*.c)
BENCH := $(wildcard t/bench/*.c)
PAGES := $(wildcard man/*.[1357])
SCRIPTS := $(wildcard pipelines/* t/*.t t/*.sh t/bench/run t/bench/gpu .ci/run .ci/deps contrib/*.sh)
TOOLNAMES := $(sort $(basename $(notdir $(TOOLS))))
GIVEN = moetrace npz2trace trace-filter topk-stats coact place-anneal router-bench pcie-bw

comma := ,
have = $(shell printf '\#include <$(1)>\n' | $(CC) -E -x c - >/dev/null 2>&1 && echo 1)

# make asan check: the same under ASan and UBSan, in a folder of its own
ifneq ($(filter asan,$(MAKECMDGOALS)),)
B = build/asan
CUDA ?= 0
override CFLAGS += -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all \
	-fno-omit-frame-pointer
export ASAN_OPTIONS = detect_leaks=0:abort_on_error=0:exitcode=99:allocator_may_return_null=1
export UBSAN_OPTIONS = print_stacktrace=1
endif

override CFLAGS += -std=c11 -ffp-contract=off -fno-math-errno -fPIC -pthread -Wall -Wextra \
	-Wstrict-prototypes -Wmissing-prototypes -Wno-unused-parameter -Wno-missing-field-initializers \
	-ffile-prefix-map=$(CURDIR)=.
override CPPFLAGS += -D_GNU_SOURCE -DMOETRACE_VERSION='"$(VERSION)"' -Ilib/core -I$(B)/gen -MMD -MP $(FOUND:%=-DHAVE_%)
# OpenBLAS where it is; BLAS=0: products in plain C
BLAS ?= $(if $(shell $(PKG_CONFIG) --exists openblas 2>/dev/null && echo 1),1,0)
HAVE_OPENBLAS := $(if $(filter-out 0,$(BLAS)),-DHAVE_OPENBLAS $(shell $(PKG_CONFIG) --cflags openblas))
$(B)/lib/route/product.o: override CPPFLAGS += $(HAVE_OPENBLAS)
OPENBLAS := $(if $(HAVE_OPENBLAS),$(shell $(PKG_CONFIG) --libs openblas || echo -lopenblas))
# X=0: without it.  tok-encode: characters, and patterns that it has no scanner for
LIBDEFLATE ?= $(call have,libdeflate.h)
PCRE2 ?= $(call have,pcre2posix.h)
UTF8PROC ?= $(call have,utf8proc.h)
FOUND := $(foreach l,LIBDEFLATE PCRE2 UTF8PROC,$(if $(filter 1,$($(l))),$(l)))
ZSTD := $(shell $(PKG_CONFIG) --libs libzstd 2>/dev/null || echo -lzstd)
LIBS = -Wl,--as-needed $(ZSTD) -lz -lcsv $(OPENBLAS) $(if $(filter LIBDEFLATE,$(FOUND)),-ldeflate) \
	$(if $(filter PCRE2,$(FOUND)),-lpcre2-8) $(if $(filter UTF8PROC,$(FOUND)),-lutf8proc) -lm -ldl -pthread

# Searches and ranks on several machines, loaded under mpirun alone
MPI := $(if $(shell command -v mpicc),$(B)/moetrace-mpi.so)

# Kernels: SASS for what is named, PTX for what comes between and later; NVCC_LINEINFO=-lineinfo
# for profilers, three times the size
# CUDA unset: as B was built before, so that make install builds nothing else, or auto
CUDA ?= $(if $(filter no,$(firstword $(shell cat $(B)/gen/cuda 2>/dev/null))),0,auto)
CUDA := $(CUDA)
CUDA_HOME ?= $(patsubst %/bin/nvcc,%,$(or $(shell command -v nvcc),/usr/local/cuda/bin/nvcc))
NVCC ?= $(CUDA_HOME)/bin/nvcc
NVCC_CCBIN ?= gcc
NVCC_GENCODE ?= $(foreach a,80 90 100 120,-gencode arch=compute_$(a),code=sm_$(a)) \
	$(foreach a,75 120,-gencode arch=compute_$(a),code=compute_$(a))
HAVE_CUDA := $(if $(filter 0,$(CUDA)),,$(if $(wildcard $(NVCC)),1))
$(if $(filter 1,$(CUDA)$(HAVE_CUDA)),$(error CUDA=1, and there is no $(NVCC): set CUDA_HOME))
EMULATED := $(shell grep -L '<dlfcn' $(wildcard kernels/*.cu))
CXXFLAGS = $(filter-out -std=c11 -Wstrict-prototypes -Wmissing-prototypes,$(CFLAGS)) -std=c++17 \
	-fno-exceptions -fno-rtti -fno-threadsafe-statics -Wno-unknown-pragmas
ifeq ($(HAVE_CUDA),1)
CUDA_LIB = $(firstword $(wildcard $(CUDA_HOME)/lib64 $(CUDA_HOME)/targets/*-linux/lib) $(CUDA_HOME)/lib)
LIBS += -L$(CUDA_LIB) -lcudart_static -lrt -ldl -lpthread
KERNELS := $(wildcard kernels/*.cu)
HAVE_NCCL := $(if $(wildcard $(CUDA_HOME)/include/nccl.h /usr/include/nccl.h),-DHAVE_NCCL)
GPU_BUILT := cuda $(shell $(NVCC) --version | sed -n 's/.*release \([0-9.]*\).*/\1/p') \
	$(filter sm_%,$(subst =, ,$(subst $(comma), ,$(NVCC_GENCODE)))) $(if $(HAVE_NCCL),nccl)
NVCCFLAGS = $(HAVE_NCCL) -std=c++17 -O3 $(NVCC_LINEINFO) -fmad=false -t0 -ccbin $(NVCC_CCBIN) $(NVCC_GENCODE) -Xcompiler \
	-fPIC,-Wall,-Wextra,-Wno-unused-parameter,-fno-threadsafe-statics,-fno-exceptions,-fno-rtti
else
LIB += $(wildcard kernels/*_none.c)
GPU_BUILT = no cuda
endif
LIB += kernels/gpu_built.c
override CPPFLAGS += -DGPU_BUILT='"$(strip $(GPU_BUILT))"'

OBJ = $(LIB:%.c=$(B)/%.o) $(KERNELS:%.cu=$(B)/%.o)
CORE = $(filter $(B)/lib/core/%,$(OBJ))
BINS = $(TOOLNAMES:%=$(B)/bin/%)
TESTS = $(UNIT:t/unit/%.c=$(B)/t/%) $(FUZZ:t/fuzz/%.c=$(B)/t/fuzz-%) $(B)/t/product-plain
PEERS = $(BENCH:t/bench/%.c=$(B)/bench/%)

begin = @mkdir -p $(@D)$(if $(V),,; echo $(1) $<)

all: $(BINS) $(B)/libmoetrace.a $(B)/libmoetrace.so.0 $(MPI)

$(B)/%.o: %.c
	$(call begin,cc)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

# What the kernels are for, rewritten where it is another
$(B)/gen/cuda: FORCE
	@mkdir -p $(@D)
	@echo '$(GPU_BUILT) $(NVCC_GENCODE)' | cmp -s - $@ || echo '$(GPU_BUILT) $(NVCC_GENCODE)' >$@
$(B)/kernels/gpu_built.o: $(B)/gen/cuda

# STRICT=1: warnings and spilled registers are errors
$(B)/%.o: %.cu $(B)/gen/cuda
	$(call begin,nvcc)
	$(Q)$(NVCC) $(NVCCFLAGS) $(if $(STRICT),-Werror all-warnings -Xptxas -warn-spills$(comma)-Werror) \
		-DCUDA_HOME='"$(CUDA_HOME)"' -MMD -MP -MF $(@:.o=.d) -c -o $@ $<
kernels: $(KERNELS:%.cu=$(B)/%.o)
	$(if $(HAVE_CUDA),,$(error kernels: CUDA=0, or no $(NVCC)))
ptxinfo:
	for k in $(KERNELS); do $(NVCC) $(NVCCFLAGS) -Xptxas -v -c -o /dev/null $$k 2>&1 | c++filt; done

$(B)/libmoetrace.a: $(OBJ) $(B)/gen/cuda
	@rm -f $@
	$(Q)ar rcs $@ $(OBJ)

$(B)/libmoetrace.so.0: $(CORE) lib/core/moetrace.map
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -shared -Wl,-soname,libmoetrace.so.0 \
		-Wl,--version-script=lib/core/moetrace.map -o $@ $(CORE) $(LIBS)
	@ln -sf libmoetrace.so.0 $(B)/libmoetrace.so

$(B)/moetrace-mpi.so: $(wildcard lib/mpi/*.c) lib/ep/transport.h
	$(call begin,mpicc)
	$(Q)OMPI_CC=$(CC) MPICH_CC=$(CC) mpicc $(filter-out -MMD -MP,$(CPPFLAGS)) $(CFLAGS) $(LDFLAGS) -shared -o $@ $(filter %.c,$^)

# The umbrella's list is the pages' own first lines.
$(B)/gen/list.h: $(PAGES) Makefile
	@mkdir -p $(@D)
	@for p in $(filter %.1,$(PAGES)); do awk '/^\.Nm/ && !n { n = $$2 } \
		/^\.Nd/ { sub(/^\.Nd /, ""); printf "{\"%s\", \"%s\"},\n", n, $$0; exit }' $$p; done >$@
$(B)/tools/moetrace.o: $(B)/gen/list.h

# prompt-fmt's rules where no --rules are given
$(B)/gen/prompts.h: examples/prompts.tsv
	@mkdir -p $(@D)
	@sed 's/[\\"]/\\&/g; s/.*/"&\\n"/' $< >$@
$(B)/tools/capture/prompt-fmt.o: $(B)/gen/prompts.h

define program
$(B)/$(2): $(1:%.c=$(B)/%.o) $(B)/libmoetrace.a
	@mkdir -p $$(@D)
	$(Q)$$(CC) $$(CFLAGS) $$(LDFLAGS) -o $$@ $$< $(B)/libmoetrace.a $$(LIBS)
endef
programs = $(foreach t,$(1),$(eval $(call program,$(t),$(2)$(basename $(notdir $(t))))))
$(call programs,$(TOOLS),bin/)$(call programs,$(UNIT),t/)$(call programs,$(FUZZ),t/fuzz-)$(call programs,$(BENCH),bench/)

# t/gpu/*.c with the kernels: as a C++ compiler makes them, for tests, or real
GPUTESTS := $(patsubst t/gpu/%.c,%,$(wildcard t/gpu/*.c))
TESTS += $(if $(shell command -v $(CXX)),$(GPUTESTS:%=$(B)/t/emu-%))
EMUOBJ = $(EMULATED:%.cu=$(B)/emu/%.o) $(patsubst %.cc,$(B)/emu/%.o,$(wildcard t/gpu/*.cc))
emulate = @mkdir -p $(@D) && $(CXX) -x c++ $(CPPFLAGS) $(CXXFLAGS) -c -o $@ $<
$(B)/emu/%.o: %.cu ; $(emulate)
$(B)/emu/%.o: %.cc ; $(emulate)
$(GPUTESTS:%=$(B)/t/emu-%): $(EMUOBJ)
$(foreach t,$(GPUTESTS),$(eval $(B)/t/emu-$(t) $(B)/t/gpu-$(t): $(B)/t/gpu/$(t).o $(B)/libmoetrace.a))
$(GPUTESTS:%=$(B)/t/emu-%) $(GPUTESTS:%=$(B)/t/gpu-%):
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^) $(B)/libmoetrace.a $(LIBS)
REFS = $(patsubst %/config.json,%,$(wildcard t/refs/*/config.json))
gpu-check: $(GPUTESTS:%=$(B)/t/gpu-%)
	set -e; for t in $^; do case $$t in *-model) $$t $(REFS) ;; *) $$t ;; esac; done
gpu-bench: all $(GPUTESTS:%=$(B)/t/gpu-%)
	B=$(abspath $(B)) t/bench/gpu

# lib/route/product without BLAS, which no build here may have
$(B)/plain/%.o: lib/route/%.c ; @mkdir -p $(@D) && $(CC) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<
$(B)/t/product-plain: $(B)/t/unit/product.o $(B)/plain/product.o $(B)/libmoetrace.a
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)

check: all $(TESTS)
	B=$(B) prove -j$(or $(JOBS),$(shell nproc)) t/*.t

# References of models, larger ones than those that are kept, made again and compared
refs: all $(B)/t/decoders
	python3 t/refs/refs make $(B)/refs
	PATH="$(abspath $(B)/bin):$$PATH" python3 t/refs/refs check $(B)/refs/*
	$(B)/t/decoders $$(ls -d $(B)/refs/* | grep -v switch)
	[ -z "$(HF)" ] || $(HF) t/refs/hf $(B)/refs/* # a Python with torch and transformers

demo: all
	PATH="$(abspath $(B)/bin):$$PATH" pipelines/tour demo
bench: all $(PEERS)
	B=$(abspath $(B)) t/bench/run >$(B)/bench.tsv
	cat $(B)/bench.tsv

lint:
	clang-format --dry-run -Werror kernels/* t/gpu/* $(wildcard t/fuzz/*.h) $(TOOLS) $(LIB) lib/mpi/*.c $(UNIT) $(FUZZ) $(BENCH) $(wildcard lib/*/*.h)
	mandoc -T lint -W warning $(PAGES)
	shellcheck -S warning -x -P t $(SCRIPTS)
	$(MAKE) B=build/gcc CUDA=0 CC=gcc CFLAGS="-O2 -Werror" all
	$(MAKE) B=build/clang CUDA=0 CC=clang CFLAGS="-O2 -Werror" all

# Run one with: build/fuzz/NAME -max_total_time=600 CORPUS
FUZZFLAGS = -O1 -g -fsanitize=fuzzer,address,undefined -DLIBFUZZER
fuzz: $(FUZZ:t/fuzz/%.c=build/fuzz/%)
build/fuzz/%: t/fuzz/%.c $(LIB) $(wildcard kernels/*_none.c)
	@mkdir -p $(@D)
	clang $(filter-out -MMD -MP,$(CPPFLAGS)) -std=c11 -ffp-contract=off $(FUZZFLAGS) -o $@ $(sort $^) $(LIBS)

install: all
	install -d $(addprefix $(DESTDIR),$(BINDIR) $(LIBDIR)/pkgconfig $(LIBEXECDIR) $(INCLUDEDIR) \
		$(addprefix $(MANDIR)/man,1 3 5 7) $(COMPDIR) $(addprefix $(DATADIR)/,text $(notdir $(MODELS))))
	install -m 755 $(BINS) $(MPI) $(wildcard pipelines/*) $(DESTDIR)$(LIBEXECDIR)
	install -m 644 examples/small.trace examples/system.jsonc examples/prompts.tsv $(DESTDIR)$(DATADIR)
	install -m 644 examples/text/*.jsonl $(DESTDIR)$(DATADIR)/text
	for m in $(notdir $(MODELS)); do install -m 644 examples/$$m/* $(DESTDIR)$(DATADIR)/$$m; done
	install -m 644 lib/core/moetrace.h $(DESTDIR)$(INCLUDEDIR)
	install -m 644 $(B)/libmoetrace.a $(DESTDIR)$(LIBDIR)
	install -m 755 $(B)/libmoetrace.so.0 $(DESTDIR)$(LIBDIR)
	ln -sf libmoetrace.so.0 $(DESTDIR)$(LIBDIR)/libmoetrace.so
	printf '%s\n' 'Name: moetrace' 'Description: traces of Mixture-of-Experts routing' 'Version: $(VERSION)' \
		'Cflags: -I$(INCLUDEDIR)' 'Libs: -L$(LIBDIR) -lmoetrace' 'Requires.private: libzstd' \
		>$(DESTDIR)$(LIBDIR)/pkgconfig/moetrace.pc
	for p in $(PAGES); do install -m 644 $$p $(DESTDIR)$(MANDIR)/man$${p##*.}; done
	install -m 644 tools/moetrace.bash $(DESTDIR)$(COMPDIR)/moetrace
	for n in $(filter-out moetrace,$(TOOLNAMES)); do ln -sf moetrace $(DESTDIR)$(COMPDIR)/$$n; done
	for n in $(if $(filter all,$(NAMES)),$(TOOLNAMES) $(notdir $(wildcard pipelines/*)),\
		$(if $(filter given,$(NAMES)),$(filter $(GIVEN),$(TOOLNAMES)))); do \
		ln -sf $(LIBEXECDIR)/$$n $(DESTDIR)$(BINDIR)/$$n; done
	ln -sf $(LIBEXECDIR)/moetrace $(DESTDIR)$(BINDIR)/moetrace

uninstall:
	rm -rf $(addprefix $(DESTDIR),$(LIBEXECDIR) $(DATADIR) $(LIBDIR)/libmoetrace.* \
		$(LIBDIR)/pkgconfig/moetrace.pc $(INCLUDEDIR)/moetrace.h)
	for n in $(TOOLNAMES) $(notdir $(wildcard pipelines/*)); do \
		rm -f $(DESTDIR)$(BINDIR)/$$n $(DESTDIR)$(COMPDIR)/$$n; done
	for p in $(PAGES); do rm -f $(DESTDIR)$(MANDIR)/man$${p##*.}/$${p##*/}; done

dist: ; git archive --prefix=moetrace-$(VERSION)/ -o moetrace-$(VERSION).tar.gz HEAD
asan deps: ; @:
tags: ; ctags -R lib tools
clean: ; rm -rf build demo
.PHONY: FORCE refs kernels ptxinfo gpu-check gpu-bench all check asan demo bench lint fuzz install uninstall dist deps tags clean
-include $(OBJ:.o=.d) $(B)/plain/product.d $(EMUOBJ:.o=.d) \
	$(GPUTESTS:%=$(B)/t/gpu/%.d) $(TOOLS:%.c=$(B)/%.d) $(UNIT:%.c=$(B)/%.d) $(FUZZ:%.c=$(B)/%.d)
