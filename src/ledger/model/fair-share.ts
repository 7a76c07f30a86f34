/**
 * How submitters share a bounded space: each may hold as much as is still free. One submitter gets half of the space, two get
 * a third each, and so on. So there is always space for one more, and only submitters that hold much are refused.
 *
 * @param held what this submitter holds already.
 * @param taken what all submitters hold.
 */
export function isFairShare(held: number, count: number, taken: number, spaceMax: number): boolean {
  return held + count <= spaceMax - taken
}
