// Package media turns what people send on modern networks (pictures, files,
// voice) into short links that a browser of 1997 opens, and serves what is
// behind them.
//
// A network hands every attachment to [Service.Offer], which stores a [Record]
// and returns a [Link]; [Link.Line] words it for a chat window. The link is
// signed and expires. Whoever opens it reaches [Service.Handler], which fetches
// the source through the network's [Fetcher], keeps it in a bounded cache on
// disk and answers in plain HTTP/1.0: pictures as JPEG or GIF of at most 640x480,
// everything else as it is, and the original of a picture if the link ends in
// "?original".
//
// All input is taken to be hostile: the link, the source's address (private
// ranges are refused when dialling), the length and speed of what it sends, and
// the file itself. Types are found from the content, never believed, and what a
// browser could run is only ever handed over as a download.
package media
