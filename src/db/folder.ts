import { mkdir, stat } from 'node:fs/promises'
import { dirname } from 'node:path'

/**
 * Creates a folder, and the folders above it where they are missing. Node's own `mkdir` with `recursive` never returns where a file system
 * answers ENOENT inside a folder that exists, as /proc does: it tries again for ever, and no signal ends it.
 *
 * @returns whether the folder is new.
 */
export async function createFolder(path: string, mode?: number): Promise<boolean> {
  try {
    await mkdir(path, { mode })
    return true
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST' && (await stat(path)).isDirectory()) return false
    if (code !== 'ENOENT' || dirname(path) === path) throw error
    // Where the folder above is there already, the answer would be the same.
    if (!(await createFolder(dirname(path), mode))) throw error
    return await createFolder(path, mode)
  }
}
