// SPDX-License-Identifier: MIT
#include "sym/store_dir.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/file.h"
#include "base/str.h"
#include "pe/pe.h"
#include "sym/sym_open.h"

#define MAX_ENTRIES 200000	// of a folder that is read for a spelling
#define MAX_POINTER 4096	// bytes of a file.ptr

// --- log and names ---------------------------------------------------------

void psc_symlog_add(struct psc_symlog *log, const char *place,
		    const char *fmt, ...)
{
	struct psc_attempt a = { .place = strdup(place) };
	va_list ap;

	va_start(ap, fmt);
	int n = vasprintf(&a.result, fmt, ap);
	va_end(ap);
	// The log is for the user: a line lost for want of memory does no harm.
	if (n < 0)
		a.result = NULL;
	if (!a.place || !a.result || !psc_vec_push(&log->v, a)) {
		free(a.place);
		free(a.result);
	}
}

void psc_symlog_free(struct psc_symlog *log)
{
	for (size_t i = 0; i < log->v.n; i++) {
		free(log->v.v[i].place);
		free(log->v.v[i].result);
	}
	psc_vec_free(&log->v);
}

bool psc_symname_is_safe(const char *name)
{
	size_t n = strlen(name);

	if (!n || n > 255 || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return false;
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)name[i];
		if (c < 0x20 || c == 0x7f || strchr("/\\:*?\"<>|", c))
			return false;
	}
	return true;
}

void psc_store_key(const struct psc_pdb_id *id, char out[PSC_STORE_KEY_TEXT])
{
	char guid[33];

	psc_guid_text(id->guid, guid);
	snprintf(out, PSC_STORE_KEY_TEXT, "%s%" PRIX32, guid, id->age);
}

// --- paths -----------------------------------------------------------------

/** A path that grows by components, whatever their case on disk. */
struct place {
	char path[PATH_MAX];
	size_t n;
};

static bool begin(struct place *p, const char *dir)
{
	p->n = strlen(dir);
	if (p->n + 1 >= sizeof(p->path))
		return false;
	memcpy(p->path, dir, p->n + 1);
	return true;
}

// Windows folds case: when the exact spelling is not there, another one is.
static bool other_case(struct place *p, size_t at)
{
	char *wanted = p->path + at;
	bool found = false;

	p->path[at - 1] = 0;
	DIR *d = opendir(p->path);
	p->path[at - 1] = '/';
	if (!d)
		return false;
	const struct dirent *e;
	for (int i = 0; !found && i < MAX_ENTRIES && (e = readdir(d)); i++) {
		found = strcasecmp(e->d_name, wanted) == 0;
		if (found)	// same length, ASCII case apart
			memcpy(wanted, e->d_name, strlen(wanted));
	}
	closedir(d);
	return found;
}

// Append a component. @return false when nothing of that name exists.
static bool enter(struct place *p, const char *name)
{
	size_t n = strlen(name);

	if (p->n + n + 2 > sizeof(p->path))
		return false;
	p->path[p->n] = '/';
	memcpy(p->path + p->n + 1, name, n + 1);
	if (access(p->path, F_OK) != 0 && !other_case(p, p->n + 1)) {
		p->path[p->n] = 0;
		return false;
	}
	p->n += n + 1;
	return true;
}

static bool is_folder(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

// --- trying files ----------------------------------------------------------

/** One search in one folder. */
struct search {
	const char *dir;
	const struct psc_symwant *want;
	bool force;
	struct psc_symlog *log;
	struct psc_sym *found;
};

static bool try_path(struct search *s, const char *path)
{
	struct psc_error *err = psc_sym_open_file(path, &s->want->id, s->force,
						  &s->found);

	if (!err) {
		psc_symlog_add(s->log, path, "%s",
			       psc_sym_other_id(psc_sym_id(s->found),
						&s->want->id)
			       ? "used in spite of another identity" : "used");
		return true;
	}
	// The path stands in front of the reason already.
	const char *why = err->message;
	size_t n = strlen(path);
	if (strncmp(why, path, n) == 0 && why[n] == ':')
		why += n + 2;
	psc_symlog_add(s->log, path, "refused: %s", why);
	psc_error_free(err);
	return false;
}

// An image without RSDS has no PDB identity: its header must be the dump's.
static bool other_build(struct search *s, const char *path)
{
	struct psc_pe_file pe;
	struct psc_file *f;
	struct psc_error *err = psc_file_open(path, &f);

	if (err || !s->want->timestamp || s->force) {
		if (!err)
			psc_file_close(f);
		psc_error_free(err);
		return false;
	}
	err = psc_pe_open_file(f->data, f->size, "image", &pe);
	bool other = !err && pe.pe.timestamp != s->want->timestamp;
	if (other)
		psc_symlog_add(s->log, path, "refused: its time stamp is %08"
			       PRIX32 ", the dump's image has %08" PRIX32,
			       pe.pe.timestamp, s->want->timestamp);
	psc_error_free(err);
	psc_file_close(f);
	return other;
}

static bool is_image(const struct search *s, const char *name)
{
	return s->want->image && strcmp(s->want->image, name) == 0;
}

static bool try_file(struct search *s, const struct place *base,
		     const char *name)
{
	struct place p = *base;

	return enter(&p, name) && !is_folder(p.path) &&
	       !(is_image(s, name) && other_build(s, p.path)) &&
	       try_path(s, p.path);
}

// file.ptr: the path of the real file, maybe behind "PATH:".
static bool try_pointer(struct search *s, const struct place *base)
{
	struct place p = *base;
	struct psc_file *f;
	char target[MAX_POINTER + 1];

	if (!enter(&p, "file.ptr"))
		return false;
	struct psc_error *err = psc_file_open(p.path, &f);
	if (err) {
		psc_error_free(err);
		return false;
	}
	size_t n = (size_t)PSC_MIN(f->size, MAX_POINTER);
	memcpy(target, f->data ? f->data : (const uint8_t *)"", n);
	target[n] = 0;
	psc_file_close(f);
	target[strcspn(target, "\r\n")] = 0;
	const char *path = strncmp(target, "PATH:", 5) == 0 ? target + 5
							    : target;
	if (*path == '/')
		return try_path(s, path);
	psc_symlog_add(s->log, p.path, "points to \"%.200s\", which is not a "
		       "path of this system", path);
	return false;
}

// name, nam_, file.ptr in a key's folder.
static bool try_key(struct search *s, const struct place *key,
		    const char *name)
{
	char packed[256];

	if (try_file(s, key, name))
		return true;
	snprintf(packed, sizeof(packed), "%s", name);
	packed[strlen(packed) - 1] = '_';
	return try_file(s, key, packed) || try_pointer(s, key);
}

// root/name/KEY or, with index2.txt, root/na/name/KEY.
static bool enter_name(const struct place *root, const char *name,
		       struct place *ret)
{
	char tier[3] = { name[0], name[1], 0 };
	struct place p = *root;

	*ret = *root;
	if (enter(&p, "index2.txt") && enter(ret, tier) && enter(ret, name))
		return true;
	*ret = *root;
	return enter(ret, name);
}

static bool try_isf(struct search *s, const struct place *p)
{
	static const char *const ends[] = { ".json", ".json.xz", ".json.gz" };
	char guid[33], name[80];

	psc_guid_text(s->want->id.guid, guid);
	for (size_t i = 0; i < PSC_ARRAY_SIZE(ends); i++) {
		// The age is decimal in these names.
		snprintf(name, sizeof(name), "%s-%" PRIu32 "%s", guid,
			 s->want->id.age, ends[i]);
		if (try_file(s, p, name))
			return true;
	}
	return false;
}

static bool try_stores(struct search *s, const struct place *root)
{
	char key[PSC_STORE_KEY_TEXT];
	struct place p, k;
	const char *name = s->want->id.name;

	if (!s->want->id.known)
		return false;
	if (*name && enter_name(root, name, &p)) {
		psc_store_key(&s->want->id, key);
		k = p;
		if (enter(&k, key) && try_key(s, &k, name))
			return true;
		if (is_folder(p.path) && try_isf(s, &p))
			return true;
	}
	return try_isf(s, root);
}

static bool try_subfolders(struct search *s, const struct place *root,
			   const char *name, const char *kind)
{
	struct place p = *root;

	if (enter(&p, "symbols") && enter(&p, kind) && try_file(s, &p, name))
		return true;
	p = *root;
	return enter(&p, kind) && try_file(s, &p, name);
}

static const char *kind_of(const char *image)
{
	const char *dot = image ? strrchr(image, '.') : NULL;

	return dot && dot[1] ? dot + 1 : "sys";
}

static bool try_flat(struct search *s, const struct place *root,
		     const char *name)
{
	return try_file(s, root, name) ||
	       try_subfolders(s, root, name, kind_of(s->want->image));
}

// An image of the same name: DWARF or a COFF symbol table. Its own folder in
// a store is named by time stamp and size.
static bool try_image(struct search *s, const struct place *root)
{
	const char *image = s->want->image;
	char name[300];
	struct place p;

	if (!image || !psc_symname_is_safe(image))
		return false;
	snprintf(name, sizeof(name), "%08" PRIX32 "%" PRIx32,
		 s->want->timestamp, s->want->image_size);
	if (s->want->timestamp && enter_name(root, image, &p) &&
	    enter(&p, name) && try_file(s, &p, image))
		return true;
	if (try_flat(s, root, image))
		return true;
	snprintf(name, sizeof(name), "%s.debug", image);
	if (try_flat(s, root, name))
		return true;
	int stem = (int)(strlen(image) - strlen(kind_of(image)) - 1);
	if (!strchr(image, '.'))
		return false;
	snprintf(name, sizeof(name), "%.*s.debug", stem, image);
	return try_flat(s, root, name);
}

struct psc_error *psc_store_dir_find(const char *dir,
				     const struct psc_symwant *want,
				     bool force, struct psc_symlog *log,
				     struct psc_sym **ret)
{
	struct search s = {
		.dir = dir, .want = want, .force = force, .log = log,
	};
	const char *name = want->id.name;
	struct place root;
	size_t before = log->v.n;
	bool named = psc_symname_is_safe(name);

	if (!begin(&root, dir) || access(dir, F_OK) != 0) {
		psc_symlog_add(log, dir, "does not exist");
		return &psc_absent;
	}
	bool hit = !is_folder(dir) ? try_path(&s, dir)
		: (named && try_stores(&s, &root)) ||
		  (named && (want->id.known || force) &&
		   try_flat(&s, &root, name)) ||
		  try_image(&s, &root);
	if (hit) {
		*ret = s.found;
		return NULL;
	}
	if (log->v.n == before)
		psc_symlog_add(log, dir, "nothing of that name");
	return &psc_absent;
}

// --- writing ---------------------------------------------------------------

struct psc_error *psc_make_folders(const char *path)
{
	char copy[PATH_MAX];

	if ((size_t)snprintf(copy, sizeof(copy), "%s", path) >= sizeof(copy))
		return psc_error_new(PSC_ERR_OS, "%s: too long", path);
	for (char *p = strchr(copy + 1, '/'); p; p = strchr(p + 1, '/')) {
		*p = 0;
		if (mkdir(copy, 0777) != 0 && errno != EEXIST)
			return psc_error_os(errno, "%s", copy);
		*p = '/';
	}
	return NULL;
}

static struct psc_error *write_all(const char *path, int fd,
				   const uint8_t *data, uint64_t size)
{
	while (size) {
		ssize_t n = write(fd, data, (size_t)PSC_MIN(size, 1u << 30));
		if (n < 0)
			return psc_error_os(errno, "%s", path);
		data += n;
		size -= (uint64_t)n;
	}
	return NULL;
}

struct psc_error *psc_store_dir_install(const char *dir,
					const struct psc_pdb_id *id,
					const uint8_t *data, uint64_t size)
{
	char path[PATH_MAX], temp[PATH_MAX + 8], key[PSC_STORE_KEY_TEXT];
	struct psc_error *err;

	psc_store_key(id, key);
	if (!psc_symname_is_safe(id->name) ||
	    (size_t)snprintf(path, sizeof(path), "%s/%s/%s/%s", dir, id->name,
			     key, id->name) >= sizeof(path))
		return psc_error_new(PSC_ERR_OS, "%s: no place for that name",
				     dir);
	if ((err = psc_make_folders(path)))
		return err;
	snprintf(temp, sizeof(temp), "%s.XXXXXX", path);
	int fd = mkstemp(temp);
	if (fd < 0)
		return psc_error_os(errno, "%s", temp);
	err = write_all(temp, fd, data, size);
	(void)fchmod(fd, 0644);
	if (close(fd) != 0 && !err)
		err = psc_error_os(errno, "%s", temp);
	if (!err && rename(temp, path) != 0)
		err = psc_error_os(errno, "%s", path);
	if (err)
		unlink(temp);
	return err;
}
