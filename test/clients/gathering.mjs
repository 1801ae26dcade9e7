/*
 * gathering.mjs - spares clients in Node their waits
 *
 * webrtc-polyfill does not say that ICE gathering is over, so a client waits 5 s before each offer
 * and each answer, though all candidates are in them. Here it is said; what they send is the same.
 */
import { RTCPeerConnection } from 'webrtc-polyfill'

const { setLocalDescription } = RTCPeerConnection.prototype

RTCPeerConnection.prototype.setLocalDescription = async function (description) {
	await setLocalDescription.call(this, description)
	if (this.iceGatheringState === 'complete') this.onicecandidate?.({ candidate: null })
}
