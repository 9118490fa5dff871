/**
 * Gives the kernel's sample device `mtty` (samples/vfio-mdev/mtty.c, Linux 6.12) four knobs, so
 * that its migration takes as long and is as large as a real device's. All are 0 by default, which
 * is the upstream behaviour; they appear in /sys/module/mtty/parameters:
 *
 * - `init_kb`: KiB added to the initial bytes, the part sent while the guest runs;
 * - `final_kb`: KiB added to the part sent after the guest has stopped;
 * - `load_init_ms`: time the target device takes when the last initial byte arrives;
 * - `load_final_ms`: time the target device takes to become ready once everything has arrived.
 *
 * Upstream keeps the stream in `struct mtty_data`. Here each migration file gets a linear buffer
 * `header, initial padding, final padding, ports`; the header goes in when the file is opened and
 * the ports when the device stops. Initial bytes end where the final padding begins.
 */
export function addMttyKnobs(source: string): string {
  return EDITS.reduce(applyEdit, source);
}

type Edit = {
  /** Text that must occur exactly once in the file. */
  at: string;
  /** Where the new text goes: after the anchor or in its place. */
  how: "after" | "instead";
  text: string;
};

function applyEdit(source: string, edit: Edit): string {
  const found = source.split(edit.at).length - 1;
  if (found !== 1) {
    throw new Error(`Expected one place like "${edit.at.trim()}" in mtty.c, got ${found}`);
  }
  const replacement = edit.how === "after" ? edit.at + edit.text : edit.text;
  return source.replace(edit.at, () => replacement);
}

const KNOBS = `#include <linux/delay.h>
#include <linux/mm.h>

static ulong init_kb, final_kb, load_init_ms, load_final_ms;
module_param(init_kb, ulong, 0644);
module_param(final_kb, ulong, 0644);
module_param(load_init_ms, ulong, 0644);
module_param(load_final_ms, ulong, 0644);
`;

const STREAM_FIELDS = `	void *stream;
	size_t init_size;
	size_t stream_size;
`;

const STREAM_HELPERS = `
#define HEADER_SIZE offsetof(struct mtty_data, ports)

/* Sizes are fixed when the file is opened: a later change affects the next migration. */
static int mtty_stream_alloc(struct mtty_migration_file *migf,
			     struct mdev_state *mdev_state)
{
	migf->init_size = HEADER_SIZE + (READ_ONCE(init_kb) << 10);
	migf->stream_size = migf->init_size + (READ_ONCE(final_kb) << 10) +
			    mdev_state->nr_ports * sizeof(struct serial_port);
	migf->stream = kvzalloc(migf->stream_size, GFP_KERNEL_ACCOUNT);
	return migf->stream ? 0 : -ENOMEM;
}

/* Where the ports are in the stream: its last bytes. */
static void *mtty_stream_ports(struct mtty_migration_file *migf,
			       struct mdev_state *mdev_state)
{
	return migf->stream + migf->stream_size -
	       mdev_state->nr_ports * sizeof(struct serial_port);
}
`;

const ALLOC = (fops: string) => `	if (mtty_stream_alloc(migf, mdev_state)) {
		kfree(migf);
		return ERR_PTR(-ENOMEM);
	}

	migf->filp = anon_inode_getfile("mtty_mig", &${fops},`;

const PORTS_SAVED = `	memcpy(mtty_stream_ports(migf, mdev_state), migf->data.ports,
	       mdev_state->nr_ports * sizeof(struct serial_port));
	migf->filled_size = migf->stream_size;
`;

const PORTS_LOADED = `	memcpy(migf->data.ports, mtty_stream_ports(migf, mdev_state),
	       mdev_state->nr_ports * sizeof(struct serial_port));
	msleep(READ_ONCE(load_final_ms));

	for (i = 0; i < mdev_state->nr_ports; i++)
		memcpy(&mdev_state->s[i],`;

const HEADER_RECEIVED = `	if (*pos < HEADER_SIZE)
		memcpy(&migf->data, migf->stream,
		       min_t(size_t, HEADER_SIZE, *pos + len));

	*pos += len;
	ret = len;

	dev_dbg(migf->mdev_state->vdev.dev, "%s received`;

const INITIAL_RECEIVED = `	if (ret > 0 && migf->filled_size < migf->init_size &&
	    migf->filled_size + len >= migf->init_size)
		msleep(READ_ONCE(load_init_ms));

	migf->filled_size += len;

out_unlock:`;

const BYTES_LEFT = `	struct mtty_migration_file *migf;

	mutex_lock(&mdev_state->state_mutex);
	migf = mdev_state->saving_migf;
	if (migf) {
		mutex_lock(&migf->lock);
		*stop_copy_length = migf->stream_size - migf->filp->f_pos;
		mutex_unlock(&migf->lock);
	} else {
		*stop_copy_length = mtty_data_size(mdev_state) +
				    ((READ_ONCE(init_kb) +
				      READ_ONCE(final_kb)) << 10);
	}
	mtty_state_mutex_unlock(mdev_state);
	return 0;`;

const EDITS: readonly Edit[] = [
  { at: "#include <linux/anon_inodes.h>\n", how: "after", text: KNOBS },
  { at: "	ssize_t filled_size;\n", how: "after", text: STREAM_FIELDS },
  { at: "static const struct vfio_device_ops mtty_dev_ops;\n", how: "after", text: STREAM_HELPERS },
  { at: "	mutex_destroy(&migf->lock);\n", how: "after", text: "	kvfree(migf->stream);\n" },
  {
    at: "(buf, (void *)&migf->data + *pos, len)",
    how: "instead",
    text: "(buf, migf->stream + *pos, len)",
  },
  {
    at: "((void *)&migf->data + *pos, buf, len)",
    how: "instead",
    text: "(migf->stream + *pos, buf, len)",
  },
  {
    at: '	migf->filp = anon_inode_getfile("mtty_mig", &mtty_save_fops,',
    how: "instead",
    text: ALLOC("mtty_save_fops"),
  },
  {
    at: '	migf->filp = anon_inode_getfile("mtty_mig", &mtty_resume_fops,',
    how: "instead",
    text: ALLOC("mtty_resume_fops"),
  },
  {
    at: "		int rc = PTR_ERR(migf->filp);\n",
    how: "after",
    text: "\n		kvfree(migf->stream);\n",
  },
  { at: "		ret = PTR_ERR(migf->filp);\n", how: "after", text: "		kvfree(migf->stream);\n" },
  {
    at: "	migf->filled_size = offsetof(struct mtty_data, ports);\n",
    how: "instead",
    text: "	memcpy(migf->stream, &migf->data, HEADER_SIZE);\n	migf->filled_size = migf->init_size;\n",
  },
  {
    at: "		migf->filled_size += sizeof(struct serial_port);\n	}\n",
    how: "after",
    text: PORTS_SAVED,
  },
  {
    at: "	if (migf->filled_size < mtty_data_size(mdev_state)) {",
    how: "instead",
    text: "	if (migf->filled_size < migf->stream_size) {",
  },
  {
    at: "	for (i = 0; i < mdev_state->nr_ports; i++)\n		memcpy(&mdev_state->s[i],",
    how: "instead",
    text: PORTS_LOADED,
  },
  {
    at: "	if (requested_length > mtty_data_size(mdev_state))",
    how: "instead",
    text: "	if (requested_length > migf->stream_size)",
  },
  {
    at: '	*pos += len;\n	ret = len;\n\n	dev_dbg(migf->mdev_state->vdev.dev, "%s received',
    how: "instead",
    text: HEADER_RECEIVED,
  },
  { at: "	migf->filled_size += len;\n\nout_unlock:", how: "instead", text: INITIAL_RECEIVED },
  {
    at: "	*stop_copy_length = mtty_data_size(mdev_state);\n	return 0;",
    how: "instead",
    text: BYTES_LEFT,
  },
];
