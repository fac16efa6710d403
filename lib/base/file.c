// SPDX-License-Identifier: MIT
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static struct psc_error *map_fd(int fd, const char *path, struct psc_file *f)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return psc_error_os(errno, "%s", path);
	if (!S_ISREG(st.st_mode))
		return psc_error_new(PSC_ERR_OS, "%s: not a regular file", path);
	f->size = (uint64_t)st.st_size;
	f->mtime_ns = (uint64_t)st.st_mtim.tv_sec * 1000000000u +
		      (uint64_t)st.st_mtim.tv_nsec;
	if (!f->size)
		return NULL;
	if (f->size > SIZE_MAX)
		return psc_error_new(PSC_ERR_UNSUPPORTED,
				     "%s: too large for this machine", path);
	void *p = mmap(NULL, (size_t)f->size, PROT_READ, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return psc_error_os(errno, "%s: mmap", path);
	f->data = p;
	return NULL;
}

void psc_file_will_be_random(const struct psc_file *f)
{
	if (f->data)
		madvise((void *)(uintptr_t)f->data, (size_t)f->size,
			MADV_RANDOM);
}

struct psc_error *psc_file_open(const char *path, struct psc_file **ret)
{
	struct psc_file *f = calloc(1, sizeof(*f));

	if (!f || !(f->path = strdup(path))) {
		free(f);
		return &psc_nomem;
	}
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		struct psc_error *err = psc_error_os(errno, "%s", path);
		psc_file_close(f);
		return err;
	}
	struct psc_error *err = map_fd(fd, path, f);
	close(fd);
	if (err) {
		psc_file_close(f);
		return err;
	}
	*ret = f;
	return NULL;
}

void psc_file_close(struct psc_file *f)
{
	if (!f)
		return;
	if (f->data)
		munmap((void *)(uintptr_t)f->data, (size_t)f->size);
	free(f->path);
	free(f);
}
